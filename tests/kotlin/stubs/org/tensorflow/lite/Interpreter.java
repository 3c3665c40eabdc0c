package org.tensorflow.lite;

import java.nio.ByteBuffer;
import org.jetbrains.annotations.NotNull;

public final class Interpreter extends InterpreterImpl implements InterpreterApi {
    public static class Options extends InterpreterImpl.Options {
        public Options() {}

        public Options(InterpreterApi.Options options) {
            super(options);
        }

        @Override
        public Options setNumThreads(int numThreads) {
            super.setNumThreads(numThreads);
            return this;
        }
    }

    public Interpreter(@NotNull ByteBuffer byteBuffer, Options options) {
        super(byteBuffer);
    }
}
