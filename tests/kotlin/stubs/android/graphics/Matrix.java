package android.graphics;

/** Only rotations. */
public class Matrix {
    float degrees;

    public Matrix() {}

    public boolean postRotate(float degrees) {
        this.degrees += degrees;
        return true;
    }
}
