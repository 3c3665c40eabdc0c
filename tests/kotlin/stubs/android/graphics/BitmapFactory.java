package android.graphics;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import javax.imageio.ImageIO;
import org.jetbrains.annotations.Nullable;

/** The pixels as the file has them: like Android, it ignores the EXIF orientation. */
public class BitmapFactory {
    public static class Options {
        public Options() {}

        public Bitmap.Config inPreferredConfig = Bitmap.Config.ARGB_8888;
        public boolean inScaled = true;
    }

    public static @Nullable Bitmap decodeStream(
            @Nullable InputStream is, @Nullable Rect outPadding, @Nullable Options opts) {
        try {
            BufferedImage image = ImageIO.read(is);
            int width = image.getWidth();
            int height = image.getHeight();
            return new Bitmap(width, height, image.getRGB(0, 0, width, height, null, 0, width));
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }
}
