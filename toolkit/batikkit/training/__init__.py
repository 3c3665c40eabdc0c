"""The two phases: what goes in, the engines that run it, what is kept on the way, on one machine or several."""
