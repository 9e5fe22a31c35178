from .commands import crs

crs(prog_name="crs")
