"""A device's times: what its programs print, the result's format, what is refused, and the lines that measure."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tasks.common.device_programs import PROGRAMS, WITHOUT
from tasks.common.errors import UserError
from tasks.common.formats import FORMATS
from tasks.deploy.bench.candidates import Candidate
from tasks.deploy.bench.device_commands import LINES, SCRIPT, ToMeasure, write_device_folder
from tasks.deploy.bench.device_result import DeviceResult, Measured, read_result
from tasks.deploy.bench.device_rows import complete, matched
from tasks.deploy.bench.device_text import MARK, read_device

A, B = "a" * 64, "b" * 64
PRINTED = {  # as the programs' sources and documentation show it, OpenVINO's as it was run here
    "litert": (
        "INFO: count=50 first=5000 curr=4900 min=4800 max=6000 avg=1.24027e+06 std=10\n"
        "INFO: Inference timings in us: Init: 5579, First inference: 13, Warmup (avg): 1.3e+06, "
        "Inference (avg): 1.24027e+06\n",
        1240.27,
    ),
    "ncnn": ("num_threads = 1\n        model.param  min =   36.25  max =   38.47  avg =   37.28\n", 37.28),
    "executorch": (
        "I 00:00:01 executorch:executor_runner.cpp:1] Model executed successfully 50 time(s) in 123.5 ms.",
        2.47,
    ),
    "onnx": ("Total inference requests: 50\nAverage inference time cost: 19.918 ms\nP50 Latency: 0.01 s\n", 19.918),
    "openvino": ("[ INFO ]    Median:        1.09 ms\n[ INFO ]    Average:       2.21 ms\n", 2.21),
}


def section(file: str, program: str, printed: str, **more: str) -> str:
    """What run.sh prints of a file."""
    said = {
        "file": file,
        "sha256": A,
        "device": "Pixel 7",
        "threads": "1",
        "governor": "",
        "temperature_mc": "",
        **more,
    }
    return "\n".join(
        [MARK, *(f"{key}: {value}" for key, value in said.items()), f"program: {program} x", printed, "\n"]
    )


def result(**entries) -> dict:
    file = {"file": "model.tflite", "sha256": A, "program": "benchmark_model", "latency_ms": 5}
    return {"format": 1, "device": "Pixel 7", "made_by": "me", "threads": 1, "files": [file]} | entries


def test_every_format_has_a_program_or_a_reason():
    assert set(FORMATS) <= {*PROGRAMS, *WITHOUT} and not {*PROGRAMS} & {*WITHOUT}


@pytest.mark.parametrize("form", PROGRAMS)
def test_what_each_program_prints_is_read(form, tmp_path):
    printed, ms = PRINTED[form]
    assert PROGRAMS[form].mean_ms(printed) == pytest.approx(ms) and PROGRAMS[form].mean_ms("nothing") is None
    path = tmp_path / "phone.txt"
    path.write_text(section("model", PROGRAMS[form].name, printed, governor="performance", temperature_mc="34500"))
    found = read_device([path])
    assert (found.device, found.threads, found.governor, found.temperature_c) == ("Pixel 7", 1, "performance", 34.5)
    assert found.files == [Measured("model", A, PROGRAMS[form].name, pytest.approx(ms), 50)]


def test_the_output_of_litert_and_ncnn_alone(tmp_path):
    litert = tmp_path / "pixel.txt"
    litert.write_text("Num threads: [4]\r\nGraph: [/data/local/tmp/a.tflite]\r\n" + PRINTED["litert"][0])
    found = read_device([litert])
    assert (found.device, found.threads) == ("pixel", 4)
    assert found.files == [Measured("a.tflite", None, "benchmark_model", pytest.approx(1240.27))]
    ncnn = tmp_path / "board.txt"
    ncnn.write_text("loop_count = 8\nnum_threads = 2\n a.param  min = 1.00  max = 3.00  avg = 2.00\n"
                    " b.param  min = 1.00  max = 9.00  avg = 4.50\n")  # fmt: skip
    assert [(file.file, file.latency_ms) for file in read_device([ncnn]).files] == [("a.param", 2.0), ("b.param", 4.5)]


def test_a_program_that_fails_is_named_and_the_others_count(tmp_path, capsys):
    path = tmp_path / "phone.txt"
    failed = section("b.onnx", "onnxruntime_perf_test", "run.sh: 15: onnxruntime_perf_test: not found", sha256=B)
    path.write_text(section("a.tflite", "benchmark_model", PRINTED["litert"][0]) + failed)
    assert [file.file for file in read_device([path]).files] == ["a.tflite"]
    assert "no time of b.onnx: onnxruntime_perf_test printed run.sh: 15: onnxruntime_perf_test: not found" in (
        capsys.readouterr().out
    )
    path.write_text(failed)
    with pytest.raises(UserError, match="has no times: every program failed"):
        read_device([path])


LITERT = PRINTED["litert"][0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hello", "has no times of LiteRT's benchmark_model or ncnn's benchncnn"),
        (section("a", "rm", LITERT), "program rm x is none that this version reads"),
        (section("a", "benchmark_model", LITERT, threads="many"), "does not say on how many threads a ran"),
        (section("a", "benchmark_model", LITERT, sha256="zz"), "sha256 zz is not 64 hexadecimal digits"),
        (section("", "benchmark_model", LITERT), "file is not a text of 1 to 200"),
        (section("a", "benchmark_model", LITERT) * 2, "has a twice, with 1240.27 and 1240.27 ms"),
        (
            section("a", "benchmark_model", LITERT) + section("b", "benchmark_model", LITERT, sha256=B, threads="2"),
            "threads differs, 1 and 2",
        ),
        (
            section("a", "benchmark_model", LITERT) + section("b", "benchmark_model", LITERT, sha256=B, device="Nokia"),
            "device differs, Pixel 7 and Nokia",
        ),
        ("Graph: [a.tflite]\n" + LITERT, "does not say on how many threads a.tflite ran"),
    ],
)
def test_odd_texts_are_one_line(text, message, tmp_path):
    (tmp_path / "phone.txt").write_text(text)
    with pytest.raises(UserError) as caught:
        read_device([tmp_path / "phone.txt"])
    assert message in str(caught.value).replace("file  is", "file is") and "\n" not in str(caught.value)


FILE = result()["files"][0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is no JSON file"),
        ('{"format": NaN}', "is no JSON file: NaN is no number"),
        ([], "is no result of a device"),
        (result(format=2), "format 2 is not 1"),
        (result(format=True), "format True is not 1"),
        ({key: value for key, value in result().items() if key != "threads"}, "lacks threads"),
        (result(threads=0), "threads 0 is not a whole number from 1 to 1,024"),
        (result(device="\x1b[31m"), "device"),
        (result(devise="x"), "has devise, which means nothing here (did you mean device?)"),
        (result(files=[]), "files [] is not a list"),
        (result(files=[7]), "files[0] is 7, not an object"),
        (result(files=[FILE | {"latency_ms": -1}]), "files[0]: latency_ms -1 is not a number of milliseconds"),
        (result(files=[FILE | {"latency_ms": True}]), "latency_ms True is not"),
        (result(files=[FILE | {"latency_ms": 1e300}]), "latency_ms 1e+300 is not"),
        (result(files=[FILE | {"sha256": "x"}]), "sha256 x is not 64 hexadecimal digits"),
        (result(files=[FILE | {"runtime": "tensorrt"}]), "runtime tensorrt is not one of onnx"),
        (result(files=[FILE | {"point": {"a": []}}]), "point"),
        (result(files=[FILE, FILE]), "has model.tflite twice, with 5 and 5 ms"),
        (result(temperature_c=900), "temperature_c 900 is not degrees"),
    ],
)
def test_odd_results_are_one_line(content, message, tmp_path):
    path = tmp_path / "phone.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(UserError) as caught:
        read_result("device", path)
    text = str(caught.value)
    assert message in text and "\n" not in text and text.startswith(f"device={path}") and "\x1b" not in text


def candidate(name: str, file: str, sha: str) -> Candidate:
    manifest = {"runtime": "litert", "precision": "int8", "sha256": {file: sha}, "architecture": None, "point": None}
    manifest |= {"input": {"height": 32, "width": 64, "batch": 1}}
    return Candidate(name, {}, None, [Path(name)], {}, manifest=manifest)


def device(*files: Measured, threads: int = 1) -> DeviceResult:
    return DeviceResult("Pixel 7", "me", threads, files)


def test_times_are_matched_by_hash_and_else_by_name(capsys, tmp_path):
    found = [candidate("a/model.tflite", "model.tflite", A), candidate("b/other.tflite", "other.tflite", B)]
    one = Measured("1_model.tflite", A, "benchmark_model", 5.0)
    named = Measured("other.tflite", None, "benchmark_model", 6.0)
    stale, alien = Measured("model.tflite", "c" * 64, "p", 1.0), Measured("x", "d" * 64, "p", 1.0)
    given = matched(found, device(one, named, stale, alien), 1)
    assert given == {"a/model.tflite": one, "b/other.tflite": named}
    out = capsys.readouterr().out
    assert "other.tflite: known by its name alone" in out and "x: is none of these files" in out
    assert "model.tflite: another file had this name on the device" in out
    whole = complete(device(one, named), given, found)
    whole.write(tmp_path / "device.json")
    again = read_result("device", tmp_path / "device.json")
    assert again == whole and (again.files[1].sha256, again.files[0].precision) == (B, "int8")
    assert (again.files[0].height, again.files[0].width) == (32, 64)
    with pytest.raises(
        UserError, match=r"ran on 4 threads and this machine on 1: benchmark.threads=4 measures the same"
    ):
        matched(found, device(one, threads=4), 1)
    with pytest.raises(UserError, match="none of the 1 files that Pixel 7 measured is one of these"):
        matched(found, device(alien), 1)
    twins = [candidate("a/model.tflite", "model.tflite", A), candidate("b/model.tflite", "model.tflite", B)]
    with pytest.raises(UserError, match="none of the 1 files"):
        matched(twins, device(Measured("model.tflite", None, "p", 1.0)), 1)


def test_the_lines_measure_what_is_read_back(tmp_path):
    """run.sh is run by sh, with programs of the right names that print what the real ones do."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for form in ("litert", "ncnn"):
        file = programs / PROGRAMS[form].name
        file.write_text(f"#!/bin/sh\necho \"$@\" > {tmp_path}/{form}\ncat <<'END' >&2\n{PRINTED[form][0]}END\n")
        file.chmod(0o755)
    source = tmp_path / "my model.tflite"
    source.write_bytes(b"x")
    takes = {"height": 32, "width": 64, "batch": 1}
    files = [
        ToMeasure("a\n$(touch hacked)", source, {"runtime": "litert", "precision": "fp32", "input": takes}),
        ToMeasure("b", tmp_path / "b.pt2", {"runtime": "torch", "precision": "fp32", "input": takes}),
        ToMeasure("c", source, {"runtime": "litert", "precision": "fp32", "input": takes | {"height": None}}),
    ]
    lines = write_device_folder(tmp_path, files, 1, "python -m tasks.detect mode=benchmark model=x")
    assert "adb push" in lines[1] and "scp -r" in lines[2] and "not tried" in lines[0]
    text = (tmp_path / LINES).read_text()
    assert "mode=benchmark model=x device=device.txt" in text and "Not tried on a device" in text
    assert "# b: PyTorch's files have no such program" in text and "# c: its input has no fixed size" in text
    path = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
    done = subprocess.run(["sh", SCRIPT], cwd=tmp_path / "device", env=path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    (tmp_path / "device.txt").write_text(done.stdout)
    (found,) = read_device([tmp_path / "device.txt"]).files
    assert found.file == "1_my_model.tflite" and found.latency_ms == pytest.approx(1240.27)
    assert found.sha256 == "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"  # of the letter x
    said = (tmp_path / "litert").read_text().split()
    assert said == ["--graph=1_my_model.tflite", "--num_threads=1", "--num_runs=50", "--warmup_runs=10"]
    assert not (tmp_path / "device" / "hacked").exists()
    assert write_device_folder(tmp_path, files[1:], 1, "") == []


@pytest.mark.parametrize(
    ("precision", "computes"), [("fp32", "f32"), ("fp16", "f16"), ("bf16", "bf16"), ("int8", "f32")]
)
def test_openvino_computes_on_a_device_as_it_does_here(tmp_path, precision, computes):
    manifest = {"runtime": "openvino", "precision": precision, "input": {"height": 32, "width": 64, "batch": 1}}
    for suffix in (".xml", ".bin"):
        (tmp_path / f"m{suffix}").write_bytes(b"x")
    write_device_folder(tmp_path, [ToMeasure("a", tmp_path / "m.xml", manifest)], 1, "")
    assert f"-infer_precision {computes} " in (tmp_path / "device" / SCRIPT).read_text()


def test_the_words_of_each_program():
    values = {"file": "m", "threads": 2, "runs": 9, "height": 32, "width": 64, "computes": "f32"}
    words = {form: " ".join(program.command(**values)) for form, program in PROGRAMS.items()}
    assert words["ncnn"] == "benchncnn 9 2 0 -1 0 param=m shape=[64,32,3]"
    assert words["executorch"] == "executor_runner --model_path=m --num_executions=9 --cpu_threads=2"
    assert words["onnx"] == "onnxruntime_perf_test -I -e cpu -m times -r 9 -x 2 m"
    assert words["openvino"].startswith(
        "benchmark_app -m m -d CPU -api sync -hint none -nstreams 1 -nireq 1 -nthreads 2"
    )
