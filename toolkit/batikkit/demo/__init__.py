"""A page in the browser to try a folder of assets on."""
