import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from chainrule.data import photo
from chainrule.data.datasets import load_dataset
from chainrule.data.photo import find_digit, find_digits, fit_and_centre, read_photo
from chainrule.errors import DataFileError, DtypeError, ShapeError, ValueRangeError


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits").train_images[:20]


def enlarged(digit, side=200, margin=40):
    """Light on dark, as a large picture of the same digit."""
    large = np.asarray(Image.fromarray(digit).resize((side, side), Image.Resampling.BICUBIC))
    return np.pad(large, margin)


def likeness(a, b):
    """The correlation of two pictures."""
    return np.corrcoef(a.reshape(-1), b.reshape(-1))[0, 1]


def centre_of_mass(image):
    y, x = np.indices(image.shape)
    return (image * y).sum() / image.sum(), (image * x).sum() / image.sum()


# ------------------------------------------------------------------------------------------ fit and centre


def test_ink_is_fitted_into_20_by_20_with_its_proportions_kept():
    ink = np.zeros((300, 300), np.uint8)
    ink[100:200, 40:90] = 100
    digit = fit_and_centre(ink)
    assert digit.shape == (28, 28)
    assert digit.dtype == np.uint8
    assert np.flatnonzero(digit.any(axis=1)).tolist() == list(range(4, 24))
    assert np.flatnonzero(digit.any(axis=0)).tolist() == list(range(10, 20))
    assert digit.max() == 255


def test_small_ink_is_enlarged():
    digit = fit_and_centre(np.ones((2, 1)))
    assert np.ptp(np.flatnonzero(digit.any(axis=1))) == 19
    assert np.ptp(np.flatnonzero(digit.any(axis=0))) == 9


def test_the_centre_of_mass_lies_where_mnist_has_it():
    ink = np.zeros((20, 20), np.uint8)
    ink[2:5, :] = 255  # heavy at the top
    ink[:, 4:12] = 255  # and to the left
    y, x = centre_of_mass(fit_and_centre(ink))
    assert abs(y - 14) <= 0.5
    assert abs(x - 14) <= 0.5


def test_mnists_own_digits_have_their_centre_of_mass_there(mnist):
    centres = [centre_of_mass(image) for image in mnist.train_images[:500]]
    assert np.abs(np.array(centres) - 14).max() < 0.55


def test_mnists_own_digits_come_back_as_they_are(mnist):
    for image in mnist.train_images[:200]:
        back = fit_and_centre(image)
        assert likeness(image, back) > 0.97


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_ink_far_out_of_balance_stays_inside_the_frame(turns):
    ink = np.full((20, 20), 1, np.uint8)
    ink[:, 19] = 255
    digit = np.rot90(fit_and_centre(np.rot90(ink, turns)), -turns)
    assert np.flatnonzero(digit.any(axis=0)).tolist() == list(range(20))
    assert np.all(digit[4:24, 19] == 255)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (3000, 1)])
def test_a_dot_and_a_line_are_digits_too(shape):
    digit = fit_and_centre(np.ones(shape, np.uint8))
    assert digit.shape == (28, 28)
    assert digit.max() == 255


def test_uint8_and_float_ink_are_the_same(digits):
    for digit in digits:
        assert np.array_equal(fit_and_centre(digit), fit_and_centre(digit / 1000))


def test_ink_must_be_a_picture_with_something_on_it():
    with pytest.raises(DataFileError, match="no digit found"):
        fit_and_centre(np.zeros((28, 28), np.uint8))
    with pytest.raises(ShapeError, match=r"\(3, 28, 28\)"):
        fit_and_centre(np.ones((3, 28, 28), np.uint8))
    with pytest.raises(ShapeError, match=r"\(0, 5\)"):
        fit_and_centre(np.ones((0, 5), np.uint8))
    with pytest.raises(ValueRangeError, match="not a number"):
        fit_and_centre(np.full((5, 5), np.nan))


# -------------------------------------------------------------------------------------------- other shapes


@pytest.mark.parametrize(
    ("shape", "box"), [((28, 28), (20, 20)), ((8, 8), (6, 6)), ((32, 32), (23, 23)), ((56, 28), (20, 20))]
)
def test_ink_fills_as_much_of_a_frame_of_another_shape(shape, box):
    digit = fit_and_centre(np.ones((50, 50), np.uint8), shape)
    assert digit.shape == shape
    assert digit.any(axis=1).sum() == box[0]
    assert digit.any(axis=0).sum() == box[1]


@pytest.mark.parametrize("shape", [(8, 8), (28, 28), (32, 32), (64, 48), (300, 300)])
def test_the_centre_of_mass_lies_in_the_middle_of_every_shape(digits, shape):
    for digit in digits:
        found = find_digit(255 - enlarged(digit), shape)
        assert found.shape == shape
        centre = centre_of_mass(found.astype(float))
        assert np.abs(np.subtract(centre, np.divide(shape, 2))).max() <= 0.51


def test_the_shape_of_mnist_is_the_one_that_need_not_be_said(tmp_path, digits):
    Image.fromarray(255 - enlarged(digits[0])).save(tmp_path / "photo.png")
    assert np.array_equal(read_photo(tmp_path / "photo.png"), read_photo(tmp_path / "photo.png", (28, 28)))
    assert np.array_equal(fit_and_centre(digits[0]), fit_and_centre(digits[0], shape=(28, 28)))


def test_the_same_digit_is_found_in_every_shape(digits):
    for digit in digits[:5]:
        large = np.asarray(Image.fromarray(find_digit(enlarged(digit), (56, 56))).reduce(2))
        assert likeness(large, find_digit(enlarged(digit))) > 0.85  # the centres may lie half a pixel apart


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (2, 3)])
def test_a_frame_may_be_tiny(digits, shape):
    assert fit_and_centre(digits[0], shape).shape == shape


@pytest.mark.parametrize("shape", [28, (28,), (0, 28), (28, 28, 1), (28.0, 28.0), None, "ab"], ids=repr)
def test_a_shape_is_two_whole_numbers_from_1(tmp_path, digits, shape):
    Image.fromarray(digits[0]).save(tmp_path / "digit.png")
    message = r"The shape of a picture is \(height, width\), such as \(28, 28\), and this one is"
    for use in (fit_and_centre, find_digit):
        with pytest.raises(ShapeError, match=message):
            use(digits[0], shape)
    with pytest.raises(ShapeError, match=message):
        read_photo(tmp_path / "digit.png", shape)


@pytest.mark.parametrize("shape", [(8, 8), (32, 32), (280, 280), (20, 30)])
def test_a_picture_of_the_right_shape_keeps_its_geometry(tmp_path, shape):
    picture = np.zeros(shape, np.uint8)
    picture[1, 1:3] = 200  # in a corner
    Image.fromarray(picture).save(tmp_path / "digit.png")
    assert np.array_equal(read_photo(tmp_path / "digit.png", shape), picture)


# --------------------------------------------------------------------------------------------- find digit


def test_dark_on_light_and_light_on_dark_are_the_same_digit(digits):
    for digit in digits:
        grey = enlarged(digit)
        assert likeness(find_digit(grey), find_digit(255 - grey)) > 0.97


def test_grey_ink_on_grey_paper_is_found(digits):
    """Photographed paper is far from white; here it is darker than half of 255."""
    found = [likeness(find_digit(110 - enlarged(digit) // 4), digit) for digit in digits]
    assert np.mean(found) > 0.95
    assert min(found) > 0.8


def test_noise_of_the_ground_is_black(digits):
    rng = np.random.default_rng(0)
    pages = [220 - 0.5 * enlarged(digit) + rng.normal(0, 10, (280, 280)) for digit in digits]
    found = [find_digit(page.clip(0, 255).astype(np.uint8)) for page in pages]
    assert np.mean([likeness(*pair) for pair in zip(found, digits, strict=True)]) > 0.95
    assert max(digit[[0, -1]].max() for digit in found) == 0


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_light_from_a_side_does_not_matter(digits, turns):
    """The paper falls from 230 to 130 from one side to the other."""
    light = np.rot90(np.tile(np.linspace(230, 130, 280), (280, 1)), turns)
    pages = [light * (1 - 0.7 * enlarged(digit) / 255) for digit in digits]
    found = [find_digit(page.astype(np.uint8)) for page in pages]
    assert np.mean([likeness(*pair) for pair in zip(found, digits, strict=True)]) > 0.85
    with pytest.raises(DataFileError, match="no digit found"):
        find_digit(light.astype(np.uint8))


def test_a_large_picture_is_the_same_digit_as_a_small_one(digits):
    for digit in digits[:5]:
        small, large = find_digit(enlarged(digit)), find_digit(enlarged(digit, 1400, 280))
        assert likeness(small, large) > 0.97


def test_a_noisy_blank_page_has_no_digit():
    page = np.random.default_rng(0).normal(220, 6, (300, 200)).clip(0, 255).astype(np.uint8)
    with pytest.raises(DataFileError, match="no digit found"):
        find_digit(page)


def test_a_grey_picture_is_uint8_and_two_dimensional():
    with pytest.raises(DtypeError, match="float64"):
        find_digit(np.zeros((100, 100)))
    with pytest.raises(ShapeError, match=r"\(100, 100, 3\)"):
        find_digit(np.zeros((100, 100, 3), np.uint8))


# --------------------------------------------------------------------------------------------- read photo


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_a_photo_of_dark_ink_on_light_paper_comes_back_close_to_the_digit(tmp_path, digits, suffix):
    found = []
    for digit in digits:
        Image.fromarray(240 - (0.8 * enlarged(digit)).astype(np.uint8)).save(tmp_path / f"photo.{suffix}")
        found.append(likeness(read_photo(tmp_path / f"photo.{suffix}"), digit))
    assert np.mean(found) > 0.95
    assert min(found) > 0.8


def test_a_png_of_28_by_28_pixels_keeps_every_pixel(tmp_path, digits):
    shifted = np.roll(digits[0], 3, axis=1)
    Image.fromarray(shifted).save(tmp_path / "digit.png")
    assert np.array_equal(read_photo(tmp_path / "digit.png"), shifted)


def test_a_png_of_28_by_28_pixels_dark_on_light_is_turned_round(tmp_path, digits):
    Image.fromarray(255 - digits[0]).save(tmp_path / "digit.png")
    assert np.array_equal(read_photo(tmp_path / "digit.png"), digits[0])


def test_every_colour_mode_shows_the_same_digit(tmp_path, digits):
    grey = Image.fromarray(255 - enlarged(digits[0]))
    expected = find_digit(np.asarray(grey))
    for mode in ("RGB", "RGBA", "LA", "P"):
        grey.convert(mode).save(tmp_path / "photo.png")
        assert likeness(read_photo(tmp_path / "photo.png"), expected) > 0.999, mode
    grey.convert("1").save(tmp_path / "photo.png")
    assert likeness(read_photo(tmp_path / "photo.png"), expected) > 0.9
    grey.convert("CMYK").save(tmp_path / "photo.jpg")
    assert likeness(read_photo(tmp_path / "photo.jpg"), expected) > 0.99


def test_sixteen_bits_a_pixel_are_scaled_and_not_cut_off(tmp_path, digits):
    Image.fromarray(digits[0].astype(np.uint16) * 257).save(tmp_path / "digit.png")
    assert np.array_equal(read_photo(tmp_path / "digit.png"), digits[0])


def test_what_is_transparent_is_paper(tmp_path, digits):
    ink = np.zeros((28, 28, 4), np.uint8)  # black everywhere; only the alpha draws
    ink[:, :, 3] = digits[0]
    Image.fromarray(ink).save(tmp_path / "digit.png")
    assert np.array_equal(read_photo(tmp_path / "digit.png"), digits[0])


@pytest.mark.parametrize("colour", [(255, 255, 255), (0, 0, 0), (128, 128, 128), (250, 220, 30)])
@pytest.mark.parametrize("unseen", [0, 255], ids=["black where unseen", "white where unseen"])
def test_ink_of_one_colour_on_transparent_paper_is_drawn_by_its_opacity(tmp_path, digits, colour, unseen):
    ink = np.full((28, 28, 4), unseen, np.uint8)
    ink[digits[0] > 0, :3] = colour
    ink[:, :, 3] = digits[0]
    Image.fromarray(ink).save(tmp_path / "digit.png")
    assert np.array_equal(read_photo(tmp_path / "digit.png"), digits[0])


def test_white_ink_is_found_though_its_faint_edge_has_rounded_colours(tmp_path, digits):
    ink = np.full((280, 280, 4), 255, np.uint8)
    ink[:, :, 3] = enlarged(digits[0])
    ink[ink[:, :, 3] < 20, :3] = 210
    Image.fromarray(ink).save(tmp_path / "digit.png")
    assert likeness(read_photo(tmp_path / "digit.png"), digits[0]) > 0.9


def test_black_ink_on_white_paper_with_transparent_corners_is_still_the_ink(tmp_path, digits):
    picture = np.dstack([255 - enlarged(digits[0])] * 3 + [np.full((280, 280), 255, np.uint8)])
    picture[:20, :20, 3] = 0
    Image.fromarray(picture).save(tmp_path / "digit.png")
    assert np.array_equal(read_photo(tmp_path / "digit.png"), find_digit(255 - enlarged(digits[0])))


@pytest.mark.parametrize("opacity", [0, 100, 255])
def test_one_colour_of_one_opacity_shows_no_digit(tmp_path, opacity):
    Image.new("RGBA", (50, 50), (255, 255, 255, opacity)).save(tmp_path / "blank.png")
    with pytest.raises(DataFileError, match="no digit found"):
        read_photo(tmp_path / "blank.png")


@pytest.mark.parametrize(
    ("name", "options"), [("digit.bmp", {}), ("digit.gif", {}), ("digit.webp", {"lossless": True}), ("wrong.jpg", {})]
)
def test_other_usual_formats_are_read_by_content_and_not_by_name(tmp_path, digits, name, options):
    kind = {"digit.bmp": "BMP", "digit.gif": "GIF", "digit.webp": "WEBP", "wrong.jpg": "PNG"}[name]
    if kind == "WEBP" and not features.check("webp"):
        pytest.skip("this Pillow has no WebP")
    Image.fromarray(digits[0]).save(tmp_path / name, format=kind, **options)
    assert np.array_equal(read_photo(tmp_path / name), digits[0])


AS_TAKEN = {
    1: lambda digit: digit,
    2: np.fliplr,
    3: lambda digit: np.rot90(digit, 2),
    4: np.flipud,
    5: np.transpose,
    6: np.rot90,
    7: lambda digit: np.rot90(digit, 2).T,
    8: lambda digit: np.rot90(digit, -1),
}


@pytest.mark.parametrize("orientation", AS_TAKEN)
def test_a_photo_taken_sideways_or_in_a_mirror_is_turned_upright(tmp_path, digits, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(AS_TAKEN[orientation](digits[0])).save(tmp_path / "digit.png", exif=exif)
    assert np.array_equal(read_photo(tmp_path / "digit.png"), digits[0])


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_of_a_moving_picture_the_first_frame_counts(tmp_path, digits, kind):
    first, *rest = (Image.fromarray(digit) for digit in digits[:4])
    first.save(tmp_path / "digit", kind, save_all=True, append_images=rest, duration=100, lossless=True)
    with Image.open(tmp_path / "digit") as image:
        assert image.n_frames == 4
    assert np.array_equal(read_photo(tmp_path / "digit"), digits[0])


def test_a_transparent_entry_of_a_palette_is_paper(tmp_path, digits):
    shades = Image.fromarray((digits[0] > 127).astype(np.uint8), "P")
    shades.putpalette([200, 0, 0, 0, 0, 0])
    shades.save(tmp_path / "digit.png", transparency=0)
    assert np.array_equal(read_photo(tmp_path / "digit.png"), 255 * (digits[0] > 127))


@pytest.mark.parametrize("side", [28, 200])
def test_a_blank_page_has_no_digit(tmp_path, side):
    Image.new("L", (side, side), 255).save(tmp_path / "blank.png")
    with pytest.raises(DataFileError, match=r"blank.png: no digit found"):
        read_photo(tmp_path / "blank.png")


def test_what_is_no_picture_is_named(tmp_path):
    (tmp_path / "bad.png").write_bytes(b"not a picture")
    with pytest.raises(
        DataFileError, match=r"bad.png is not a PNG or JPEG picture, nor BMP, GIF or WebP. Save it as PNG"
    ):
        read_photo(tmp_path / "bad.png")
    with pytest.raises(DataFileError, match=r"There is no file .*missing.png"):
        read_photo(tmp_path / "missing.png")
    Image.fromarray(np.zeros((28, 28), np.uint8)).save(tmp_path / "picture.tiff")
    with pytest.raises(DataFileError, match=r"picture.tiff is not a PNG or JPEG picture, .* Save it as PNG"):
        read_photo(tmp_path / "picture.tiff")
    with pytest.raises(DataFileError, match=r"is a folder; expected a picture\. Name a file in it\.$"):
        read_photo(tmp_path)
    with pytest.raises(DataFileError, match=r"cannot be read as a picture: File name too long\.$"):
        read_photo(tmp_path / ("x" * 256))


def written(digit, kind):
    """The bytes of a picture file."""
    if kind == "WEBP" and not features.check("webp"):
        pytest.skip("this Pillow has no WebP")
    file = io.BytesIO()
    Image.fromarray(digit).save(file, kind, **({"lossless": True} if kind == "WEBP" else {}))
    return file.getvalue()


def refused_or_read(path, content):
    """The picture in a file; None if it is refused in words that name the file, and other words if they do not."""
    path.write_bytes(content)
    try:
        return read_photo(path)
    except DataFileError as error:
        return None if str(path) in str(error) else str(error)


@pytest.mark.parametrize("kind", photo.FORMATS)
def test_a_picture_cut_short_anywhere_is_refused_unless_only_its_last_mark_is_missing(tmp_path, digits, kind):
    whole = written(digits[0], kind)
    expected = refused_or_read(tmp_path / "digit", whole)
    outcomes = [refused_or_read(tmp_path / "digit", whole[:length]) for length in range(len(whole))]
    assert all(found is None for found in outcomes[:-4])
    assert all(found is None or np.array_equal(found, expected) for found in outcomes[-4:])


def test_a_byte_flipped_anywhere_in_a_png_is_noticed_or_harmless(tmp_path, digits):
    whole = written(digits[0], "PNG")
    for place in range(len(whole)):
        for bits in (1, 32, 255):
            content = whole[:place] + bytes([whole[place] ^ bits]) + whole[place + 1 :]
            found = refused_or_read(tmp_path / "digit", content)
            assert found is None or np.array_equal(found, digits[0]), place


# ------------------------------------------------------------------------------------- pictures that are bombs


def chunk(name, content):
    """A part of a PNG."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width, height, *parts, depth=1, colour=0):
    """A PNG whose header says what it likes."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n" + header + b"".join(parts) + chunk(b"IDAT", zlib.compress(bytes(9))) + chunk(b"IEND", b"")
    )


def claiming(digit, kind, width, height):
    """A picture file of 28 × 28 pixels that says that it has others."""
    content = written(digit, kind)
    place, form = {
        "JPEG": (content.find(b"\xff\xc0") + 5, ">HH"),
        "BMP": (18, "<ii"),
        "GIF": (6, "<HH"),
    }[kind]
    sides = (height, width) if kind == "JPEG" else (width, height)
    return content[:place] + struct.pack(form, *sides) + content[place + struct.calcsize(form) :]


@pytest.mark.parametrize("sides", [(8192, 6401), (12_000, 8_000), (65_535, 65_535)], ids=["52", "96", "4,295"])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "GIF"])
def test_a_picture_of_too_many_pixels_is_refused_before_it_is_unpacked(tmp_path, digits, kind, sides, little_memory):
    """Pillow itself warns of more than 89 million, and refuses twice as many."""
    (tmp_path / "bomb").write_bytes(png(*sides) if kind == "PNG" else claiming(digits[0], kind, *sides))
    with little_memory(4 << 20), pytest.raises(DataFileError, match=r"bomb has too many pixels .* Make it smaller\.$"):
        read_photo(tmp_path / "bomb")


def test_a_telephones_picture_is_not_too_large(tmp_path, digits):
    (tmp_path / "photo").write_bytes(png(8192, 6144))
    with pytest.raises(DataFileError, match="photo cannot be read as a picture"):  # its pixels are missing
        read_photo(tmp_path / "photo")


@pytest.mark.parametrize("name", [b"zTXt", b"iTXt", b"iCCP"])
def test_words_beside_a_picture_that_unpack_to_megabytes_are_not_unpacked(tmp_path, little_memory, name):
    zeros = zlib.compressobj(9)
    packed = zeros.compress(bytes(64 << 20)) + zeros.flush()
    words = {b"zTXt": b"word\0\0", b"iTXt": b"word\0\1\0\0\0", b"iCCP": b"word\0\0"}[name] + packed
    (tmp_path / "bomb.png").write_bytes(png(28, 28, chunk(name, words)))
    with (
        little_memory(8 << 20),
        pytest.raises(DataFileError, match=r"bomb.png (cannot be read as a picture|: no digit)"),
    ):
        read_photo(tmp_path / "bomb.png")


def test_a_damaged_note_about_the_picture_is_refused_or_passed_over(tmp_path, digits):
    stump, cut = b"MM\0*", b"MM\0*\0\0\0\x08\0\x01" + bytes(6)
    Image.fromarray(digits[0]).save(tmp_path / "stump.png", exif=stump)
    with pytest.raises(DataFileError, match=r"stump\.png cannot be read as a picture"):
        read_photo(tmp_path / "stump.png")
    Image.fromarray(digits[0]).save(tmp_path / "cut.png", exif=cut)
    assert read_photo(tmp_path / "cut.png").max() > 0


def test_a_small_picture_that_claims_gigabytes_takes_little_memory(tmp_path, digits, little_memory):
    path = tmp_path / "digit.png"
    Image.fromarray(digits[0]).save(path)
    content = path.read_bytes()
    start = content.index(b"IDAT") - 4
    (length,) = struct.unpack(">I", content[start : start + 4])
    path.write_bytes(content[:start] + struct.pack(">I", length + (1 << 30)) + content[start + 4 :])
    with little_memory(4 << 20), pytest.raises(DataFileError, match=r"digit\.png cannot be read as a picture"):
        read_photo(path)


def test_a_file_of_a_gigabyte_is_no_picture_of_a_digit(tmp_path):
    with (tmp_path / "large.png").open("wb") as file:
        file.truncate(1 << 30)  # no block of it is written
    with pytest.raises(DataFileError, match=r"large\.png has 1,073,741,824 bytes or more, too many"):
        read_photo(tmp_path / "large.png")


@pytest.mark.parametrize("use", [find_digit, fit_and_centre])
def test_a_matrix_is_refused(use):
    with pytest.raises(DtypeError, match="matrix; expected a NumPy array"):
        use(np.full((9, 9), 100, np.uint8).view(np.matrix))


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no device that never ends")
def test_a_device_that_never_ends_is_not_read_to_its_end(monkeypatch, little_memory):
    monkeypatch.setattr(photo, "_LARGEST_FILE", 1 << 20)
    with little_memory(8 << 20), pytest.raises(DataFileError, match=r"/dev/zero has .* bytes or more, too many"):
        read_photo("/dev/zero")


# ------------------------------------------------------------------------------------- what is no digit, or several


def paper(shape=(300, 300)):
    return np.full(shape, 225, np.uint8)


def refused(page, reason, **options):
    with pytest.raises(DataFileError, match=reason):
        find_digits(page, **options)


def test_several_digits_are_refused_unless_many_are_asked_for(digits):
    page = np.concatenate([255 - enlarged(digit) for digit in digits[:3]], axis=1)
    refused(page, "3 digits found, expected one.*--many")
    assert len(find_digits(page, many=True).digits) == 3


def test_one_digit_is_found_where_many_may_be(digits):
    assert len(find_digits(255 - enlarged(digits[0]), many=True).digits) == 1


def test_clouds_have_no_edges():
    y, x = np.mgrid[-1:1:300j, -1:1:300j]
    refused((200 - 100 * np.exp(-((y / 0.2) ** 2) - (x / 0.7) ** 2)).astype(np.uint8), "no edges")


def test_rough_paper_is_no_digit():
    coarse = np.random.default_rng(0).normal(150, 25, (14, 14)).clip(0, 255).astype(np.uint8)
    refused(np.asarray(Image.fromarray(coarse).resize((300, 300), Image.Resampling.BICUBIC)), "no digit found")


def test_a_hair_is_too_thin_for_its_length():
    page = paper((300, 500))
    page[150:152, 40:460] = 30
    refused(page, "a line, far too thin")


def test_a_blob_is_no_digit():
    y, x = np.mgrid[-1:1:300j, -1:1:300j]
    page = paper()
    page[x**2 + y**2 < 0.2] = 30
    refused(page, "the form of a blob")


def test_ruled_paper_alone_has_lines_and_nothing_written():
    page = paper((300, 400))
    for row in range(40, 300, 60):
        page[row : row + 3] = 80
    refused(page, "lines, and nothing is written")


def test_what_the_edge_cuts_off_is_no_digit():
    page = paper()
    page[:60, 100:130] = 30  # runs in from above
    page[240:, 200:230] = 30
    refused(page, "at the edge of the picture")


def test_crumbs_all_over_are_no_digit():
    page = paper((700, 700))
    for row in range(20, 680, 24):
        for column in range(20, 680, 24):
            page[row : row + 12, column : column + 4] = 20
    refused(page, "falls into [0-9]+ pieces", many=True)


def test_an_empty_picture_and_what_is_no_array_are_refused():
    with pytest.raises(ShapeError, match=r"\(0, 5\)"):
        find_digits(np.zeros((0, 5), np.uint8))
    with pytest.raises(DtypeError, match="list"):
        find_digits([[1, 2], [3, 4]])
    with pytest.raises(DtypeError, match="list"):
        fit_and_centre([[1.0]])
    with pytest.raises(DtypeError, match="complex"):
        fit_and_centre(np.ones((5, 5), complex))
