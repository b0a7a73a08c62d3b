"""The default world: an apartment in MuJoCo, in a process of its own."""
