package com.google.ai.edge.litert;

import android.content.res.AssetManager;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import org.jetbrains.annotations.NotNull;
import org.jetbrains.annotations.Nullable;
import stand.in.Engine;

public final class CompiledModel implements AutoCloseable {
    public static final class CpuOptions {
        public CpuOptions(
                @Nullable Integer numThreads, @Nullable Integer xnnPackFlags, @Nullable String xnnPackWeightCachePath) {}
    }

    public static final class Options {
        private CpuOptions cpuOptions;

        public Options(@NotNull Accelerator... accelerators) {}

        public @Nullable CpuOptions getCpuOptions() {
            return cpuOptions;
        }

        public void setCpuOptions(@Nullable CpuOptions cpuOptions) {
            this.cpuOptions = cpuOptions;
        }
    }

    private final Engine engine;

    private CompiledModel(Engine engine) {
        this.engine = engine;
    }

    public static @NotNull CompiledModel create(
            @NotNull AssetManager assetManager, @NotNull String assetName, @NotNull Options options) {
        try (InputStream asset = assetManager.open(assetName)) {
            return new CompiledModel(new Engine(asset.readAllBytes()));
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    public @NotNull List<TensorBuffer> createInputBuffers() {
        return List.of(new TensorBuffer(engine.inputBytes));
    }

    public @NotNull List<TensorBuffer> createOutputBuffers() {
        return List.of(new TensorBuffer(4 * engine.outputs));
    }

    public void run(@NotNull List<TensorBuffer> inputs, @NotNull List<TensorBuffer> outputs) {
        ByteBuffer answer = ByteBuffer.wrap(outputs.get(0).bytes).order(ByteOrder.nativeOrder());
        for (float score : engine.run(inputs.get(0).bytes)) {
            answer.putFloat(score);
        }
    }

    @Override
    public void close() {
        engine.close();
    }
}
