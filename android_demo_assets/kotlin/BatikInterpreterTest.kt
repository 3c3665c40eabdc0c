// Written by 'batikkit assets' from manifest.json: make it again instead of editing the constants.
// Goes into app/src/androidTest/java/; the folder golden/ into app/src/androidTest/assets/golden/.
package com.example.batik

import android.graphics.Bitmap
import android.graphics.BitmapFactory
import android.graphics.Matrix
import androidx.exifinterface.media.ExifInterface
import androidx.test.ext.junit.runners.AndroidJUnit4
import androidx.test.platform.app.InstrumentationRegistry
import java.security.MessageDigest
import kotlin.math.abs
import kotlin.random.Random
import org.json.JSONArray
import org.json.JSONObject
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith

/** The model in this app is the one of the manifest, and this app feeds it as it was proven. */
@RunWith(AndroidJUnit4::class)
class BatikInterpreterTest {
    private val golden = InstrumentationRegistry.getInstrumentation().context.assets
    private val app = InstrumentationRegistry.getInstrumentation().targetContext.assets

    @Test
    fun theModelIsTheOneThatWasProven() {
        val bytes = app.open(BatikMotifs.MODEL).use { it.readBytes() }
        val digest = MessageDigest.getInstance("SHA-256").digest(bytes)
        assertEquals(BatikMotifs.MODEL_SHA256, digest.joinToString("") { "%02x".format(it) })
    }

    @Test
    fun goldenScoresAreReproduced() {
        val text = golden.open("golden/expected.json").use { it.readBytes().decodeToString() }
        val images = JSONObject(text).getJSONArray("images")
        assertTrue(images.length() >= 10)
        val wrong = JSONArray()
        BatikInterpreter(app).use { classifier ->
            // Three times, shuffled: some accelerators are right only the first time.
            val order = (1..3).flatMap { (0 until images.length()).shuffled(Random(it)) }
            for (i in order) {
                val image = images.getJSONObject(i)
                val expected = image.getJSONObject("scores").getJSONObject(VARIANT).getJSONArray("antialias")
                val scores = classifier.classify(upright("golden/" + image.getString("file"))).scores
                val largest = scores.indices.maxOf { abs(scores[it] - expected.getDouble(it)) }
                if (largest > TOLERANCE) wrong.put(observation(image.getString("file"), scores))
            }
        }
        // Save what is printed as scores.json: 'batikkit verify FOLDER --explain scores.json' names the mistake.
        assertEquals("scores.json: ${wrong}", 0, wrong.length())
    }

    private fun observation(file: String, scores: FloatArray) = JSONObject()
        .put("image", file).put("variant", VARIANT).put("scores", JSONArray(scores.map { it.toDouble() }))

    private fun upright(path: String): Bitmap {
        val options = BitmapFactory.Options().apply { inPreferredConfig = Bitmap.Config.ARGB_8888; inScaled = false }
        val bitmap = golden.open(path).use { BitmapFactory.decodeStream(it, null, options) }!!
        val turn = golden.open(path).use { ExifInterface(it).rotationDegrees.toFloat() }
        return Bitmap.createBitmap(bitmap, 0, 0, bitmap.width, bitmap.height, Matrix().apply { postRotate(turn) }, false)
    }

    private companion object {
        const val VARIANT = "int8"
        const val TOLERANCE = 0.08
    }
}
