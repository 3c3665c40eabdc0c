// What both generated classifiers say of pictures: SayKt ASSETS PICTURE...; a line of JSON for each. Not of Android.
package com.example.batik

import android.content.res.AssetManager
import android.graphics.Bitmap
import android.graphics.BitmapFactory
import java.io.File
import org.json.JSONObject

fun main(arguments: Array<String>) {
    val assets = AssetManager(File(arguments[0]).toPath())
    BatikClassifier(assets).use { say("BatikClassifier", arguments.drop(1), it::classify) }
    BatikInterpreter(assets).use { say("BatikInterpreter", arguments.drop(1), it::classify) }
}

private fun say(who: String, pictures: List<String>, classify: (Bitmap) -> BatikMotifs.Answer) {
    for (picture in pictures) {
        val answer = classify(File(picture).inputStream().use { BitmapFactory.decodeStream(it, null, null) }!!)
        val said = JSONObject().put("who", who).put("picture", picture).put("confidence", answer.confidence)
        println(said.put("label", answer.label ?: JSONObject.NULL).put("other", answer.other))
    }
}
