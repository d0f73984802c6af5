"""Resizes pictures with OpenCV, for comparison bit for bit.

Usage: resize.py FOLDER. Each line of FOLDER/index.txt is `name channels width height to_width to_height`; FOLDER/name.raw
holds the interleaved bytes. The result goes to FOLDER/name.resized.
"""

import pathlib
import sys

import cv2
import numpy as np

folder = pathlib.Path(sys.argv[1])
for line in (folder / "index.txt").read_text().splitlines():
    name, *numbers = line.split()
    channels, width, height, to_width, to_height = map(int, numbers)
    picture = np.fromfile(folder / f"{name}.raw", np.uint8).reshape(height, width, channels)
    resized = cv2.resize(picture, (to_width, to_height), interpolation=cv2.INTER_LINEAR)
    (folder / f"{name}.resized").write_bytes(resized.tobytes())
