package org.tensorflow.lite;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.jetbrains.annotations.NotNull;
import stand.in.Engine;

/** Refuses buffers that LiteRT for Java refuses or misreads. */
public interface InterpreterApi extends AutoCloseable {
    class Options {
        public Options() {}

        public Options(Options other) {}

        public Options setNumThreads(int numThreads) {
            return this;
        }
    }

    static @NotNull InterpreterApi create(@NotNull ByteBuffer byteBuffer, InterpreterApi.Options options) {
        if (!byteBuffer.isDirect() || byteBuffer.order() != ByteOrder.nativeOrder()) {
            throw new IllegalArgumentException("The model's ByteBuffer is not direct or not of native order.");
        }
        byte[] model = new byte[byteBuffer.remaining()];
        byteBuffer.get(model);
        Engine engine = new Engine(model);
        return new InterpreterApi() {
            @Override
            public void run(Object input, Object output) {
                ByteBuffer tensor = (ByteBuffer) input;
                float[] scores = ((float[][]) output)[0];
                if (tensor.capacity() != engine.inputBytes || scores.length != engine.outputs) {
                    throw new IllegalArgumentException("Cannot copy to a tensor with " + engine.inputBytes
                            + " bytes from a buffer with " + tensor.capacity() + " bytes, or from " + engine.outputs
                            + " scores to " + scores.length);
                }
                if (tensor.order() != ByteOrder.nativeOrder() || tensor.position() != 0) {
                    throw new IllegalArgumentException("The input's ByteBuffer is not of native order or not rewound.");
                }
                byte[] bytes = new byte[engine.inputBytes];
                tensor.get(bytes);
                System.arraycopy(engine.run(bytes), 0, scores, 0, scores.length);
            }

            @Override
            public void close() {
                engine.close();
            }
        };
    }

    void run(Object input, Object output);

    @Override
    void close();
}
