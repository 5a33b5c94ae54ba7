"""Triangular bands on the mel scale."""

import numpy as np

__all__ = ["mel_bank"]

# Slaney's scale: linear up to 1 kHz, 200/3 Hz for each mel, above it 27 mels for each
# factor of 6.4.
LINEAR, KNEE, STEP = 200 / 3, 1000.0, np.log(6.4) / 27


def hertz_to_mel(hertz):
    """Return mels of frequencies."""
    hertz = np.asarray(hertz, dtype=np.float64)
    above = KNEE / LINEAR + np.log(np.maximum(hertz, KNEE) / KNEE) / STEP
    return np.where(hertz < KNEE, hertz / LINEAR, above)


def mel_to_hertz(mel):
    """Return frequencies of mels."""
    mel = np.asarray(mel, dtype=np.float64)
    above = KNEE * np.exp(STEP * (np.maximum(mel, KNEE / LINEAR) - KNEE / LINEAR))
    return np.where(mel < KNEE / LINEAR, mel * LINEAR, above)


def mel_bank(sample_rate, n_fft, n_mels, f_min, f_max):
    """Return the weights of the frequencies in each band.

    Parameters
    ----------
    sample_rate : int
        Samples a second.
    n_fft : int
        Samples of a frame.
    n_mels : int
        Number of bands.
    f_min, f_max : float
        Lower edge of the first and upper edge of the last band, in Hz.

    Returns
    -------
    ndarray of shape (n_mels, n_fft // 2 + 1)
        Triangles that overlap by half, each of area one over frequency in Hz.
    """
    frequencies = np.fft.rfftfreq(n_fft, 1 / sample_rate)
    low, high = hertz_to_mel([f_min, f_max])
    edges = mel_to_hertz(np.linspace(low, high, n_mels + 2))
    left, middle, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising = (frequencies - left) / (middle - left)
    falling = (right - frequencies) / (right - middle)
    bank = np.maximum(0, np.minimum(rising, falling)) * 2 / (right - left)
    n_empty = int((bank.max(axis=1) == 0).sum())
    if n_empty:
        raise ValueError(
            f"{n_empty} of {n_mels} mel bands are narrower than the distance of the "
            f"frequencies, {sample_rate / n_fft:.6g} Hz, and hold none. Lower `n_mels` "
            "or raise `n_fft`."
        )
    return bank
