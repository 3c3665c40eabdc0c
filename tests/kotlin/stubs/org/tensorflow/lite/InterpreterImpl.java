package org.tensorflow.lite;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;

/** Runs the model in LiteRT for Python (interpreter.py); refuses buffers that LiteRT for Java refuses or misreads. */
class InterpreterImpl implements InterpreterApi {
    static class Options extends InterpreterApi.Options {
        public Options() {}

        public Options(InterpreterApi.Options options) {
            super(options);
        }
    }

    private final Path file;
    private final Process python;
    private final DataInputStream answers;
    private final DataOutputStream questions;
    private final int inputBytes;
    private final int outputs;

    InterpreterImpl(ByteBuffer model) {
        if (!model.isDirect() || model.order() != ByteOrder.nativeOrder()) {
            throw new IllegalArgumentException("The model's ByteBuffer is not direct or not of native order.");
        }
        try {
            file = Files.createTempFile("model", ".tflite");
            byte[] bytes = new byte[model.remaining()];
            model.get(bytes);
            Files.write(file, bytes);
            String[] command = {System.getProperty("python"), System.getProperty("interpreter"), file.toString()};
            python = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
            answers = new DataInputStream(python.getInputStream());
            questions = new DataOutputStream(python.getOutputStream());
            inputBytes = answers.readInt();
            outputs = answers.readInt();
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    @Override
    public void run(Object input, Object output) {
        ByteBuffer tensor = (ByteBuffer) input;
        float[] scores = ((float[][]) output)[0];
        if (tensor.capacity() != inputBytes || scores.length != outputs) {
            throw new IllegalArgumentException("Cannot copy to a tensor with " + inputBytes + " bytes from a buffer"
                    + " with " + tensor.capacity() + " bytes, or from " + outputs + " scores to " + scores.length);
        }
        if (tensor.order() != ByteOrder.nativeOrder() || tensor.position() != 0) {
            throw new IllegalArgumentException("The input's ByteBuffer is not of native order or not rewound.");
        }
        byte[] bytes = new byte[inputBytes];
        tensor.get(bytes);
        try {
            questions.write(bytes);
            questions.flush();
            for (int i = 0; i < outputs; i++) {
                scores[i] = answers.readFloat();
            }
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    @Override
    public void close() {
        try {
            questions.close();
            Files.delete(file);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }
}
