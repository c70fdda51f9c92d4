"""PixInsight's processes on raw and registered frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...engine.graph import Link
from .xpsm_desk import Desk, Unclear
from .xpsm_values import Reading, plain

_FILES = ("output*", "overwriteExistingFiles", "onError", "useROI", "roi*", "noGUIMessages", "useFileThreads",
          "fileThreadOverload", "max*Threads", "maxFileReadThreads", "maxFileWriteThreads", "inputHints", "useCache",
          "bufferSizeMB", "stackSizeMB", "autoMemorySize", "autoMemoryLimit")  # fmt: skip
_MEASURING = ("evaluateNoise", "evaluateSignal", "evaluateSNR", "noiseEvaluationAlgorithm", "mrsMinDataFraction",
              "structureLayers", "noiseLayers", "hotPixelFilterRadius", "noiseReductionFilterRadius",
              "minStructureSize", "psf*", "maxStars", "saturationThreshold", "saturationRelative")  # fmt: skip
_MEASURED = "noise and stars are measured by nodes of their own: see SubframeMeasures"


def image_calibration(desk: Desk, reading: Reading) -> Link:
    frames = desk.frames(reading.rows("targetFrames"))
    masters = {}
    for role in ("Bias", "Dark", "Flat"):
        enabled, path = reading.truth(f"master{role}Enabled", True), reading.text(f"master{role}Path")
        if enabled:
            masters[role.lower()] = desk.master(f"master-{role.lower()}", path)
    reading.neutral(overscanEnabled=False, darkCFADetectionMode="DetectCFA", darkOptimizationThreshold=0.0)
    reading.neutral(cosmeticCorrectionLow=False, cosmeticCorrectionHigh=False)
    words = {
        "pedestalMode": {"CustomKeyword": "custom"},
        "outputPedestalMode": {"OutputPedestal_Literal": "literal", "OutputPedestal_Auto": "auto"},
    }
    params = reading.params("ImageCalibration", words=words)
    reading.idle(*_FILES, "overscan*", "cosmetic*", "generate*")
    reading.other(_MEASURED, *_MEASURING)
    return desk.sheet.image("ImageCalibration", reading.instance.name, image=frames, **masters, **params)


def cosmetic_correction(desk: Desk, reading: Reading) -> Link:
    frames = desk.frames(reading.rows("targetFrames"))
    dark, automatic = reading.truth("useMasterDark"), reading.truth("useAutoDetect")
    params = reading.params("CosmeticCorrection")
    feeds: dict[str, Any] = {"image": frames}
    path = reading.text("masterDarkPath")
    if dark:
        feeds["dark"] = desk.master("master-dark", path)
    for on, prefix in ((dark, "_dark_check"), (automatic, "_auto_check")):
        for side in ("hot", "cold"):
            if not on:
                params[side + prefix] = False
    # An enabled check stands beside each level; the quantities are the same thing said in another way.
    reading.idle("hotDarkQty", "coldDarkQty", *_FILES, "postfix", "prefix", "overwrite", "generateHistoryProperties")
    rows = reading.rows("defects")
    if reading.truth("useDefectList") and rows:
        params["defect_list"] = tuple(_defect(list(row.values())) for row in rows)
    return desk.sheet.image("CosmeticCorrection", reading.instance.name, **feeds, **params)


def _defect(cells: list[str]) -> tuple[bool, bool, int, bool, int, int]:
    if len(cells) != 6:
        raise Unclear(f"a row of the defect list has {len(cells)} columns, 6 are wanted")
    enabled, is_row, address, is_range, begin, end = cells
    numbers = [plain(cell) for cell in (address, begin, end)]
    if not all(isinstance(n, int) and not isinstance(n, bool) for n in numbers):
        raise Unclear("a row of the defect list does not hold whole numbers")
    first, second, third = (int(n) for n in numbers)
    return enabled == "true", is_row == "true", first, is_range == "true", second, third


def debayer(desk: Desk, reading: Reading) -> Link:
    rows = reading.rows("targetItems")
    image = desk.frames(rows) if rows else desk.image()
    if "bayerPattern" in reading.left:
        reading.left.setdefault("cfaPattern", reading.left.pop("bayerPattern"))
    reading.neutral(fbddNoiseReduction=0)
    params = reading.params("Debayer")
    reading.idle(*_FILES, "showImages", "cfaSourceFilePath", "memoryLoadControl", "memoryLoadLimit")
    reading.other(_MEASURED, *_MEASURING)
    return desk.sheet.image("Debayer", reading.instance.name, image=image, **params)


def subframe_selector(desk: Desk, reading: Reading) -> Link:
    frames = desk.frames(reading.rows("subframes"))
    params = reading.params("SubframeMeasures", {"maxPSFFits": "max_psf_fits"}, but=("structure_layers",))
    formulas = {
        own: text
        for own, name in (("approval", "approvalExpression"), ("weighting", "weightingExpression"))
        if (text := reading.text(name))
    }
    reading.neutral(routine="MeasureSubframes")
    reading.idle(*_FILES, "routine", "fileCache", "scaleUnit", "cameraGain", "cameraResolution", "siteLocalMidnight",
                 "dataUnit", "sortProperty", "graphProperty", "auxGraphProperty", "measurements", "nonInteractive",
                 "measure*", "trimmingFactor", "roi*")  # fmt: skip
    reading.other("stars are detected by DetectStars", "structureLayers", "noiseLayers", "hotPixel*", "sensitivity",
                  "peakResponse", "restoreX", "brightThreshold", "maxDistortion", "maxStarDistortion", "upperLimit",
                  "backgroundExpansion", "xyStretch", "noiseReductionFilterRadius", "minStructureSize",
                  "allowClusteredSources", "pedestal*", "localMaxima*")  # fmt: skip
    measures = desk.sheet.image("SubframeMeasures", f"measures-{reading.instance.name}", image=frames, **params)
    return desk.sheet.image("SubframeSelector", reading.instance.name, measures=(measures,), **formulas)


_INTERPOLATIONS = {
    "Auto": "lanczos3", "NearestNeighbor": "nearest", "Bilinear": "bilinear", "BicubicSpline": "bicubic",
    "Lanczos3": "lanczos3", "Lanczos4": "lanczos4", "Lanczos5": "lanczos5",
}  # fmt: skip


def star_alignment(desk: Desk, reading: Reading) -> Link:
    frames = desk.frames(reading.rows("targets"))
    reference, is_file = reading.text("referenceImage"), reading.truth("referenceIsFile")
    feeds: dict[str, Any] = {"images": (frames,)}
    if reference:
        feeds["reference"] = desk.master("reference", reference) if is_file else desk.named(reference)
    reading.neutral(mode="RegisterMatch", frameAdaptation=False, undistortedReference=False)
    bent = reading.truth("distortionCorrection")
    found = reading.text("pixelInterpolation", "Auto")
    if found not in _INTERPOLATIONS:
        desk.sheet.note("differs", f"pixelInterpolation = {found}", "interpolated by lanczos3")
    tolerance = min(50.0, max(0.1, reading.number("ransacTolerance", 2.0)))
    stars = int(reading.number("maxStars", 0))
    params = {
        "model": "auto" if bent else "homography", "interpolation": _INTERPOLATIONS.get(found, "lanczos3"),
        "clamping": "lobes", "clamping_threshold": min(0.999, reading.number("clampingThreshold", 0.3)),
        "tolerance": tolerance, "on_failure": "missing", **({"max_stars": max(10, min(20000, stars))} if stars else {}),
    }  # fmt: skip
    reading.idle(*_FILES, "intersection", "generate*", "writeKeywords", "useSurfaceSplines", "restrictToPreviews",
                 "extrapolateLocalDistortion", "inheritAstrometricSolution")  # fmt: skip
    # What is left tells how stars are found, matched and interpolated between, which is done in another way here.
    reading.other("stars are detected and matched by DetectStars and MatchStars", "*")
    return desk.sheet.image("StarAlignment", reading.instance.name, **feeds, **params)


def image_integration(desk: Desk, reading: Reading) -> Link:
    frames = desk.frames(reading.rows("images"))
    reading.neutral(weightScale="WeightScale_BWMV")
    params = reading.params("ImageIntegration")
    reading.idle(*_FILES, "generate*", "showImages", "closePreviousImages", "subtractPedestals", "adaptive*",
                 "minWeightFraction", "weightScale", "csvWeights*", "useCache", "legacy*")  # fmt: skip
    reading.other(_MEASURED, *_MEASURING)
    feeds: dict[str, Any] = {"images": (frames,)}
    for name in ("normalization", "rejection_normalization"):
        if str(params.get(name, "")).startswith("local"):
            del params[name]
            desk.sheet.note("unmapped", "LocalNormalization", f"{name} is left at its default: link 'normalized'")
    if str(params.get("weight_mode", "psf_signal_weight")).startswith("psf"):
        params.setdefault("weight_mode", "psf_signal_weight")
        feeds["weights"] = (desk.sheet.image("SubframeMeasures", f"measures-{reading.instance.name}", image=frames),)
    return desk.sheet.image("ImageIntegration", reading.instance.name, **feeds, **params)


def local_normalization(desk: Desk, reading: Reading) -> Link:
    rows = reading.rows("targetItems")
    frames = desk.frames(rows) if rows else desk.image()
    reference, is_file = reading.text("referencePathOrViewId"), not reading.truth("referenceIsView", True)
    if not reference:
        raise Unclear("it names no reference image")
    link = desk.master("reference", reference) if is_file else desk.named(reference)
    words = {"scaleEvaluationMethod": {"ScaleEvaluationMethod_PSFSignal": "psf_signal", "PSFSignal": "psf_signal",
             "ScaleEvaluationMethod_MultiscaleAnalysis": "structures", "MultiscaleAnalysis": "structures"}}  # fmt: skip
    params = reading.params("LocalNormalization", {"psfMinSNR": "psf_min_snr"}, words)
    feeds: dict[str, Any] = {"image": frames, "reference": link}
    if params.get("scale_evaluation_method", "psf_signal") == "psf_signal":
        for port, image in (("stars", frames), ("reference_stars", link)):
            feeds[port] = desk.sheet.image("DetectStars", f"{port}-{reading.instance.name}", image=image)
    reading.neutral(localScaleCorrections=False)
    reading.idle(*_FILES, "generate*", "showBackgroundModels", "showLocalNormalizationFunctions", "showStructureMaps",
                 "graphSize", "graphTextSize", "graphTitleSize", "graphTransparent", "graphOutputDirectory",
                 "modelScalingFactor", "showRejectionMaps", "plotNormalizationFunctions")  # fmt: skip
    reading.other("stars are detected by DetectStars", *_MEASURING)
    return desk.sheet.image("LocalNormalization", reading.instance.name, **feeds, **params)


PROCESSES: Mapping[str, Callable[[Desk, Reading], Link]] = {
    "ImageCalibration": image_calibration,
    "CosmeticCorrection": cosmetic_correction,
    "Debayer": debayer,
    "SubframeSelector": subframe_selector,
    "StarAlignment": star_alignment,
    "ImageIntegration": image_integration,
    "LocalNormalization": local_normalization,
}
