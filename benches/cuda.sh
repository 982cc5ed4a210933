#!/bin/sh
# All that this library does on an NVIDIA GPU, in one command: tests first, then figures. Run it on a machine with a GPU, a
# CUDA 12 driver, Rust, and Python 3.10 or newer:
#
#     benches/cuda.sh [cuda:INDEX]
#
# 1. Installs ONNX Runtime for CUDA 12 and the CUDA libraries that it needs, as wheels, into target/cuda.
# 2. Says which device and runtime are used; fails if CUDA cannot be had, never falls back to the CPU.
# 3. Runs `ncg run` and `ncg fit` with --device against --engine native, values and gradients.
# 4. Prints the table CPU against GPU of value and gradient, over N = 1e3 to 1e8 samples.
# 5. Prints the table of whole fits on the GPU: one call against one call an epoch, 1e5 starts in one call.
set -eu

device=${1:-cuda:0}
root=$(cd "$(dirname "$0")/.." && pwd)
place=$root/target/cuda
python=$place/bin/python

if [ ! -e "$place/ready" ]; then
    python3 -m venv "$place"
    # 1.26 is the last for CUDA 12
    "$python" -m pip install --quiet numpy 'onnxruntime-gpu==1.26.*' nvidia-cublas-cu12 nvidia-cuda-runtime-cu12 \
        nvidia-cuda-nvrtc-cu12 nvidia-cudnn-cu12 nvidia-cufft-cu12 nvidia-curand-cu12
    touch "$place/ready"
fi
packages=$("$python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
export NCG_ONNXRUNTIME="$packages/onnxruntime/capi"
for folder in "$packages"/nvidia/*/lib; do
    LD_LIBRARY_PATH="$folder${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
done
export LD_LIBRARY_PATH

cd "$root"
cargo build --release
ncg=$root/target/release/ncg
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv || true
"$ncg" engines

echo
echo "Values and gradients on $device against the native engine"
"$python" benches/cuda.py agree --ncg "$ncg" --device "$device"

echo
echo "Value and gradient, CPU against GPU"
"$python" benches/cuda.py table --library "$root/target/release/libncg.so" --device "$device"

echo
echo "Whole fits"
"$python" benches/whole_fit.py --ncg "$ncg" --device cuda --samples 1000,100000,1000000 --starts 100000
