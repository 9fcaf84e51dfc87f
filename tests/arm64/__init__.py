"""The installed runtime on 64-bit ARM, emulated: `python -m tests.arm64` replays every recipe's golden pack there."""
