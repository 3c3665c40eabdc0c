// Written by 'batikkit assets' from manifest.json: make it again instead of editing the constants.
package com.example.batik

import android.graphics.Bitmap
import kotlin.math.abs
import kotlin.math.max
import kotlin.math.min
import kotlin.math.pow

/** What both classifiers share: the constants of the model, its pixels, and the rule for "not sure". */
object BatikMotifs {
    const val MODEL = "batik_int8.tflite"
    const val MODEL_SHA256 = "39aaac46d5469cbec8f5238d5d28fcc00aeb375201ac034ea423f051caf7bff3"
    const val SIZE = 96
    const val TEMPERATURE = 0.758
    const val THRESHOLD = 0.9905
    private const val FLOOR = 1.0 / 512
    val LABELS = listOf("ceplok", "kawung", "lereng", "megamendung", "nitik", "parang", "tambal", "truntum")

    /** Label of what is none of the motifs; not every model has it. */
    const val OTHER = "other"

    /** [scores] in the order of [LABELS]; [label] is null when the best is [OTHER], as [other] tells, or not sure. */
    class Answer(val scores: FloatArray, val label: String?, val confidence: Double, val other: Boolean)

    /** The rule of the folder, on the model's probabilities. */
    fun answer(scores: FloatArray): Answer {
        val powered = scores.map { max(it.toDouble(), FLOOR).pow(1 / TEMPERATURE) }
        val best = powered.indices.maxByOrNull { powered[it] }!!
        val confidence = powered[best] / powered.sum()
        val other = LABELS[best] == OTHER
        return Answer(scores, LABELS[best].takeIf { !other && confidence >= THRESHOLD }, confidence, other)
    }

    /**
     * Stretches to SIZE x SIZE with the filter of the training and hands over red, green, blue, raw 0..255, in order.
     * [bitmap]: ARGB_8888, turned upright, whole (not cropped); decode large photographs with inSampleSize.
     */
    inline fun pixels(bitmap: Bitmap, put: (index: Int, value: Int) -> Unit) {
        val (w, h) = bitmap.width to bitmap.height
        val argb = IntArray(w * h).also { bitmap.getPixels(it, 0, w, 0, 0, w, h) }
        val wide = IntArray(h * SIZE * 3)
        val across = taps(w, SIZE)
        for (y in 0 until h) for (x in 0 until SIZE) for (c in 0..2)
            wide[(y * SIZE + x) * 3 + c] = across[x].sum { argb[y * w + it] shr (16 - 8 * c) and 255 }
        for ((y, tap) in taps(h, SIZE).withIndex()) for (i in 0 until SIZE * 3)
            put(y * SIZE * 3 + i, tap.sum { wide[it * SIZE * 3 + i] })
    }

    /** One output position: the input positions that it averages, and how much of each. */
    class Tap(val first: Int, val weights: DoubleArray) {
        inline fun sum(value: (Int) -> Int): Int {
            var total = 0.5
            for (k in weights.indices) total += weights[k] * value(first + k)
            return total.toInt()
        }
    }

    /** Per output position: a triangle as wide as two output pixels, or two input pixels when enlarging. */
    fun taps(from: Int, to: Int) = List(to) { i ->
        val reach = max(from.toDouble() / to, 1.0)
        val centre = (i + 0.5) * from / to
        val first = max(0, (centre - reach + 0.5).toInt())
        val last = min(from, (centre + reach + 0.5).toInt())
        val raw = DoubleArray(last - first) { max(0.0, 1 - abs(first + it + 0.5 - centre) / reach) }
        val whole = raw.sum()
        Tap(first, DoubleArray(raw.size) { raw[it] / whole })
    }
}
