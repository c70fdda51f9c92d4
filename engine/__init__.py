"""The engine: declaration, identity, plan, pulling pixels, running. Knows no process, no file format, no tool."""

from .folders import keep_compiled_code_apart as _keep_compiled_code_apart

# Before any module compiles: numba reads the setting when it is imported.
_keep_compiled_code_apart()
