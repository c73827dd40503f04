NAME = "zarr"
SUFFIXES = ()
GENERIC = False


def detect(head, path):
    return False
