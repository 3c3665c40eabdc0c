package android.graphics;

import org.jetbrains.annotations.NotNull;
import org.jetbrains.annotations.Nullable;

public final class Bitmap {
    public enum Config { ALPHA_8, RGB_565, ARGB_4444, ARGB_8888 }

    private final int width;
    private final int height;
    private final int[] argb;

    Bitmap(int width, int height, int[] argb) {
        this.width = width;
        this.height = height;
        this.argb = argb;
    }

    public final int getWidth() {
        return width;
    }

    public final int getHeight() {
        return height;
    }

    public void getPixels(@NotNull int[] pixels, int offset, int stride, int x, int y, int width, int height) {
        for (int row = 0; row < height; row++) {
            System.arraycopy(argb, (y + row) * this.width + x, pixels, offset + row * stride, width);
        }
    }

    /** Only of the whole source, turned clockwise by quarters. */
    public static @NotNull Bitmap createBitmap(
            @NotNull Bitmap source, int x, int y, int width, int height, @Nullable Matrix m, boolean filter) {
        if (x != 0 || y != 0 || width != source.width || height != source.height || m.degrees % 90 != 0) {
            throw new UnsupportedOperationException();
        }
        Bitmap turned = source;
        for (int quarter = 0; quarter < m.degrees / 90; quarter++) {
            turned = turned.quarter();
        }
        return turned;
    }

    private Bitmap quarter() {
        int[] turned = new int[argb.length];
        for (int y = 0; y < height; y++) {
            for (int x = 0; x < width; x++) {
                turned[x * height + height - 1 - y] = argb[y * width + x];
            }
        }
        return new Bitmap(height, width, turned);
    }
}
