package android.content.res;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jetbrains.annotations.NotNull;

public final class AssetManager implements AutoCloseable {
    private final Path root;

    /** Not in Android: the way in for Instrumentation. */
    public AssetManager(Path root) {
        this.root = root;
    }

    public @NotNull InputStream open(@NotNull String fileName) throws IOException {
        return Files.newInputStream(root.resolve(fileName));
    }

    @Override
    public void close() {}
}
