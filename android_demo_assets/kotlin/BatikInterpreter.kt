// Written by 'batikkit assets' from manifest.json: make it again instead of editing the constants.
package com.example.batik

import android.content.res.AssetManager
import android.graphics.Bitmap
import java.nio.ByteBuffer
import java.nio.ByteOrder
import org.tensorflow.lite.InterpreterApi

/** Names the batik motif on a photograph, with the older InterpreterApi. Not thread-safe; close it when done. */
class BatikInterpreter(assets: AssetManager, threads: Int = 2) : AutoCloseable {
    private val interpreter = InterpreterApi.create(load(assets), InterpreterApi.Options().setNumThreads(threads))

    /** [bitmap]: ARGB_8888, turned upright, whole (not cropped); decode large photographs with inSampleSize. */
    fun classify(bitmap: Bitmap): BatikMotifs.Answer {
        val bytes = 1 * BatikMotifs.SIZE * BatikMotifs.SIZE * 3
        val tensor = ByteBuffer.allocateDirect(bytes).order(ByteOrder.nativeOrder())
        BatikMotifs.pixels(bitmap) { _, value -> tensor.put(value.toByte()) }
        val output = arrayOf(FloatArray(BatikMotifs.LABELS.size))
        interpreter.run(tensor.apply { rewind() }, output)
        return BatikMotifs.answer(output[0])
    }

    override fun close() = interpreter.close()

    private fun load(assets: AssetManager) = assets.open(BatikMotifs.MODEL).use { it.readBytes() }.let {
        ByteBuffer.allocateDirect(it.size).order(ByteOrder.nativeOrder()).put(it).apply { rewind() }
    }
}
