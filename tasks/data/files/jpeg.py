"""JPEG files decoded only as far as a crop needs (ITU-T T.81): without the rows below it, at a smaller scale."""

from pathlib import Path

import numpy as np

from tasks.common.labels import Pixels
from tasks.data.files.opening import MAX_PIXELS, PIXELS_PER_BYTE, HeldFile, open_file, size_of

START, END, SCAN = b"\xff\xd8", b"\xff\xd9", 0xDA
APP14, ADOBE = 0xEE, b"Adobe"  # says whether three components are RGB (ITU-T T.872, 6.5.3)
MULTIPLE = b"MPF\0"  # more pictures follow the first one (CIPA DC-007)
BASELINE, EXTENDED, PROGRESSIVE = 0xC0, 0xC1, 0xC2
FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # these three are tables, not frames


class Jpeg:
    """A JPEG file in memory with its header parsed.

    Attributes:
        height, width: of the picture as stored, ignoring EXIF orientation.
        band: height in pixels of one row of coded blocks; 0 if rows cannot be skipped.
        stored_as_rgb: whether its components may be red, green and blue, as very few files' are.

    Raises:
        ValueError: for what Pillow must handle: other formats, CMYK, 12 bits, lossless or arithmetic coding, truncated
            files, and impossibly many pixels.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if isinstance(path, HeldFile):
            self.data = bytearray(path.data)
        else:
            with open_file(path) as file:
                self.data = bytearray(size_of(path, file))
                file.readinto(self.data)
        if self.data[:2] != START:
            raise ValueError("not a JPEG file")
        try:
            scan = self.read_header()
        except IndexError as error:
            raise ValueError("no JPEG header") from error
        self.end = self.data.rfind(END, scan)  # no marker occurs within a scan, where ff is followed by 00
        if self.end < 0:  # libjpeg would fill the truncated part with grey
            raise ValueError("no end of image")

    def read_header(self) -> int:
        """Walk through the segments (B.1.1.4) up to the first scan; returns its offset."""
        data, at, components, several = self.data, 2, 0, False
        self.stored_as_rgb = False
        while data[at + 1] != SCAN:
            if data[at] != 0xFF:
                raise ValueError("no JPEG header")
            if data[at + 1] == 0xFF:  # a fill byte
                at += 1
                continue
            if data[at + 1] in FRAMES:
                kind, bits, components = data[at + 1], data[at + 4], data[at + 9]
                self.height_at = at + 5
                self.height, self.width = word(data, at + 5), word(data, at + 7)
                blocks = max(data[at + 11 + 3 * component] & 15 for component in range(components))
                if kind not in (BASELINE, EXTENDED, PROGRESSIVE) or bits != 8 or components not in (1, 3):
                    raise ValueError("a JPEG file of a rare kind")
                self.stored_as_rgb |= data[at + 10 : at + 19 : 3] == b"RGB"
            elif data[at + 1] == APP14 and data[at + 4 : at + 9] == ADOBE:
                self.stored_as_rgb |= data[at + 15] == 0
            several |= data[at + 4 : at + 8] == MULTIPLE
            at += 2 + word(data, at + 2)
        if not components or not self.height or not self.width:
            raise ValueError("no JPEG header")
        if self.height * self.width > min(MAX_PIXELS, len(data) * PIXELS_PER_BYTE["JPEG"]):
            raise ValueError("more pixels than there can be")
        in_one_scan = data[at + 4] == components  # otherwise the other colours follow the last row
        self.band = 8 * blocks if kind != PROGRESSIVE and in_one_scan and not several else 0
        return at

    def decode(self, rows: int, reduce: int) -> Pixels | None:
        """The first `rows` rows or more, (H, W, 3) RGB, at 1/`reduce` of the size; None if libjpeg cannot.

        Call it only once: it may change the header in memory.

        Args:
            rows: rows of the picture at full size.
            reduce: 1, 2, 4 or 8. The inverse cosine transform of 8×8 coefficients then gives 4×4, 2×2 or 1 pixels.
        """
        import cv2

        scale = {  # the names without COLOR, which stands for BGR
            1: 0,
            2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
            4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
            8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
        }[reduce]
        flags = scale | cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
        data = np.frombuffer(self.data, np.uint8)
        # One band more than needed: its colours are interpolated into the last row above it.
        height = self.band and (-(-rows // self.band) + 1) * self.band
        if 0 < height < self.height:
            # A decoder given fewer rows stops after them. With the end marker it would search for it and
            # report the rest as extraneous bytes.
            self.data[self.height_at : self.height_at + 2] = divmod(height, 256)
            data = data[: self.end]
        try:
            pixels = cv2.imdecode(data, flags)
        except cv2.error:
            return None
        if pixels is None or pixels.shape[1] != -(-self.width // reduce):
            return None
        return np.asarray(pixels, np.uint8)


def word(data: bytearray, at: int) -> int:
    """Big-endian 16-bit number."""
    return data[at] << 8 | data[at + 1]
