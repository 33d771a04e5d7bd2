"""Names that array_api_compat looks for; no kernel uses them."""


def _absent(*_: object, **__: object) -> object:
    raise NotImplementedError


fft = ifft = fftn = ifftn = rfft = irfft = rfftn = irfftn = hfft = ihfft = _absent
fftfreq = rfftfreq = fftshift = ifftshift = _absent
