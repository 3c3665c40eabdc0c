package org.tensorflow.lite;

public interface InterpreterApi extends AutoCloseable {
    class Options {
        public Options() {}

        public Options(Options other) {}

        public Options setNumThreads(int numThreads) {
            return this;
        }
    }

    void run(Object input, Object output);

    @Override
    void close();
}
