// Written by 'batikkit assets' from manifest.json: make it again instead of editing the constants.
package $package

import android.content.res.AssetManager
import android.graphics.Bitmap
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel

/**
 * Names the batik motif on a photograph, with LiteRT's CompiledModel ($litert). Not thread-safe; close it when done.
 * On the CPU: let BatikClassifierTest pass on your devices before you choose Accelerator.GPU, some are right only once.
 */
class BatikClassifier(assets: AssetManager, threads: Int = 2) : AutoCloseable {
    private val options = CompiledModel.Options(Accelerator.CPU).apply {
        cpuOptions = CompiledModel.CpuOptions(threads, null, null)
    }
    private val model = CompiledModel.create(assets, BatikMotifs.MODEL, options)
    private val inputs = model.createInputBuffers()
    private val outputs = model.createOutputBuffers()

    /** [bitmap]: ARGB_8888, turned upright, whole (not cropped); decode large photographs with inSampleSize. */
    fun classify(bitmap: Bitmap): BatikMotifs.Answer {
        val tensor = $array(BatikMotifs.SIZE * BatikMotifs.SIZE * 3)
        BatikMotifs.pixels(bitmap) { index, value -> tensor[index] = value.$convert() }
        inputs[0].$write(tensor)
        model.run(inputs, outputs)
        return BatikMotifs.answer(outputs[0].readFloat())
    }

    override fun close() {
        (inputs + outputs).forEach { it.close() }
        model.close()
    }
}
