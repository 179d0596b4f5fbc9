#!/bin/bash
# A search on eight GPUs of a Slurm cluster: sbatch slurm.sh. The first task begins the search and writes its report, the
# others are workers. A task that is stopped gives back what it was training; requeued, it goes on.
#SBATCH --job-name=dongfeng
#SBATCH --array=0-7
#SBATCH --gres=gpu:1
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --signal=B:TERM@120
#SBATCH --open-mode=append
#SBATCH --output=search-%a.log

# A PostgreSQL that all nodes reach; its password stands in ~/.pgpass, as db:5432:search:me:PASSWORD.
STORAGE=postgresql://me@db:5432/search
# On a disk that all nodes share.
DATA=/data/photos
OUT=/data/runs/photos
# Latencies of the device that the networks are for: see docs/your-device.md.
TABLE=/data/jetson.json
SPACE=s32-64_b1-3_b1-10_b1-6_w64-128-256-512-1024_c100_i3x224x224

if [ "$SLURM_ARRAY_TASK_ID" = 0 ]; then
    exec dongfeng search --storage "$STORAGE" --data "$DATA" --out "$OUT" --space "$SPACE" --table "$TABLE" \
        --latency 5ms --trials 500 --confirm 2 --device cuda
else
    exec dongfeng search worker --storage "$STORAGE" --data "$DATA" --out "$OUT" --device cuda --wait 60
fi
