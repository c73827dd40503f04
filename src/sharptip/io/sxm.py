NAME = "sxm"
SUFFIXES = ()
GENERIC = False


def detect(head, path):
    return False
