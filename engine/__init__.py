"""The engine: declaration, identity, plan, pulling pixels, running. Knows no process, no file format, no tool."""
