package com.google.ai.edge.litert;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.jetbrains.annotations.NotNull;

/** Like the native one it takes raw bytes, and drops those of another size with no more than a line in the log. */
public final class TensorBuffer implements AutoCloseable {
    final byte[] bytes;
    private boolean closed;

    TensorBuffer(int size) {
        bytes = new byte[size];
    }

    public void writeFloat(@NotNull float[] data) {
        ByteBuffer wide = ByteBuffer.allocate(4 * data.length).order(ByteOrder.nativeOrder());
        for (float value : data) {
            wide.putFloat(value);
        }
        write(wide.array());
    }

    public void writeInt8(@NotNull byte[] data) {
        write(data);
    }

    public @NotNull float[] readFloat() {
        open();
        float[] values = new float[bytes.length / 4];
        ByteBuffer.wrap(bytes).order(ByteOrder.nativeOrder()).asFloatBuffer().get(values);
        return values;
    }

    private void write(byte[] data) {
        open();
        if (data.length == bytes.length) {
            System.arraycopy(data, 0, bytes, 0, data.length);
        }
    }

    private void open() {
        if (closed) {
            throw new IllegalStateException("The handle has been destroyed.");
        }
    }

    @Override
    public void close() {
        open();
        closed = true;
    }
}
