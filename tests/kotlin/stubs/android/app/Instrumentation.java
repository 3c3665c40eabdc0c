package android.app;

import android.content.Context;
import android.content.res.AssetManager;
import java.nio.file.Path;

/** Both contexts have the assets in the folder that the system property 'assets' names. */
public class Instrumentation {
    private final Context context = new Context() {
        @Override
        public AssetManager getAssets() {
            return new AssetManager(Path.of(System.getProperty("assets")));
        }
    };

    public Context getContext() {
        return context;
    }

    public Context getTargetContext() {
        return context;
    }
}
