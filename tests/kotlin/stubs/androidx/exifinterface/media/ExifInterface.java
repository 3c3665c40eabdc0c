package androidx.exifinterface.media;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.jetbrains.annotations.NotNull;

/** Only the orientation in the eXIf chunk of a PNG file. */
public class ExifInterface {
    private static final int EXIF_CHUNK = 0x65584966;
    private static final short ORIENTATION = 0x0112;

    private int orientation;

    public ExifInterface(@NotNull InputStream inputStream) throws IOException {
        ByteBuffer png = ByteBuffer.wrap(inputStream.readAllBytes());
        for (int at = 8; at < png.limit(); at += 12 + png.getInt(at)) {
            if (png.getInt(at + 4) == EXIF_CHUNK) {
                readTiff(png.slice(at + 8, png.getInt(at)));
            }
        }
    }

    private void readTiff(ByteBuffer tiff) {
        tiff.order(tiff.get(0) == 'I' ? ByteOrder.LITTLE_ENDIAN : ByteOrder.BIG_ENDIAN);
        int entries = tiff.getInt(4);
        for (int i = 0; i < tiff.getShort(entries); i++) {
            int entry = entries + 2 + 12 * i;
            if (tiff.getShort(entry) == ORIENTATION) {
                orientation = tiff.getShort(entry + 8);
            }
        }
    }

    public int getRotationDegrees() {
        switch (orientation) {
            case 6: case 7: return 90;
            case 3: case 4: return 180;
            case 8: case 5: return 270;
            default: return 0;
        }
    }
}
