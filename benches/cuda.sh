#!/bin/sh
# All that this library does on an NVIDIA GPU, in one command: tests first, then figures. Run it on a machine with a GPU, a
# CUDA 12 driver, Rust, and Python 3.10 or newer:
#
#     benches/cuda.sh [cuda:INDEX]
#
# 1. Installs ONNX Runtime for CUDA 12 and the CUDA libraries that it needs, as wheels, into target/cuda.
# 2. Says which device and runtime are used; fails if CUDA cannot be had, never falls back to the CPU.
# 3. Runs `ncg run` with --device against --engine native, values and gradients.
# 4. Prints the table CPU against GPU of value and gradient, over N = 1e3 to 1e8 samples.
# 5. Prints the table of fits of N = 1e3 to 1e8 samples by each optimiser, the data moved in each evaluation and kept on the
#    device; each fit is compared with the truth.
# 6. Prints the table of fits from 1e5 starts.
# 7. Prints the table of files that fit, in Python's ONNX Runtime: one call against one call an epoch, 1e5 starts in one call.
#
# At N = 1e8 the data of a fit are 1.6 GB on the device, beside them a chunk of 1e6 samples at a time with all that is computed
# of it; value and gradient move their data in such chunks. Starts are taken in groups whose residuals and Jacobian are a
# quarter of a gigabyte.
#
#     benches/cuda.sh cpu
#
# is a rehearsal without a GPU: the same scripts and the same code, device `cpu`, small sizes, ONNX Runtime for the CPU in
# target/rehearsal. Its figures say nothing of a GPU.
#
# NCG_BENCH_PYTHON is a Python that has the wheels already; NCG_BENCH_TARGET a folder with ncg and libncg.so that are built,
# NCG_BENCH_LIBRARY such a library elsewhere; NCG_BENCH_LARGEST the largest power of ten, NCG_BENCH_STARTS how many starts.
set -eu

device=${1:-cuda:0}
root=$(cd "$(dirname "$0")/.." && pwd)
case $device in
    cpu)
        place=$root/target/rehearsal
        wheels="numpy onnxruntime"
        largest=${NCG_BENCH_LARGEST:-4}
        starts=${NCG_BENCH_STARTS:-500}
        samples=100,1000
        ;;
    cuda | cuda:*)
        place=$root/target/cuda
        # 1.26 is the last for CUDA 12
        wheels="numpy onnxruntime-gpu==1.26.* nvidia-cublas-cu12 nvidia-cuda-runtime-cu12 nvidia-cuda-nvrtc-cu12
            nvidia-cudnn-cu12 nvidia-cufft-cu12 nvidia-curand-cu12"
        largest=${NCG_BENCH_LARGEST:-8}
        starts=${NCG_BENCH_STARTS:-100000}
        samples=1000,100000,1000000
        ;;
    *)
        echo "usage: benches/cuda.sh [cuda | cuda:INDEX | cpu]" >&2
        exit 2
        ;;
esac

python=${NCG_BENCH_PYTHON:-$place/bin/python}
if [ -z "${NCG_BENCH_PYTHON:-}" ] && [ ! -e "$place/ready" ]; then
    python3 -m venv "$place"
    # shellcheck disable=SC2086 # a list of words
    "$python" -m pip install --quiet $wheels
    touch "$place/ready"
fi
packages=$("$python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
export NCG_ONNXRUNTIME="$packages/onnxruntime/capi"
if [ "$device" != cpu ]; then
    for folder in "$packages"/nvidia/*/lib; do
        LD_LIBRARY_PATH="$folder${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
    done
    export LD_LIBRARY_PATH
    nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv || true
fi

cd "$root"
target=${NCG_BENCH_TARGET:-$root/target/release}
[ -n "${NCG_BENCH_TARGET:-}" ] || cargo build --release
ncg=$target/ncg
library=${NCG_BENCH_LIBRARY:-$target/libncg.so}
"$ncg" engines

echo
echo "Values and gradients on $device against the native engine"
"$python" benches/cuda.py agree --ncg "$ncg" --device "$device"

echo
echo "Value and gradient, CPU against $device"
"$python" benches/cuda.py table --library "$library" --device "$device" --largest "$largest"

echo
echo "Fits"
"$python" benches/cuda.py fits --library "$library" --device "$device" --largest "$largest"

echo
echo "Fits from many starts"
"$python" benches/cuda.py starts --library "$library" --device "$device" --starts "$starts"

echo
echo "Files that fit"
"$python" benches/whole_fit.py --ncg "$ncg" --device "$device" --samples "$samples" --starts "$starts"
