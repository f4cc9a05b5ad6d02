#!/usr/bin/env bash
# Makes camera.png from the photograph in scikit-image. Needs: apt-get install python3-skimage python3-pil
set -euo pipefail

cd -- "$(dirname -- "${BASH_SOURCE[0]}")"
/usr/bin/python3 - <<'END'
from pathlib import Path

import skimage
from PIL import Image

whole = Image.open(Path(skimage.__file__).parent / "data" / "camera.png").convert("L")
part = whole.crop((72, 16, 392, 336))
part.resize((192, 192), Image.LANCZOS).save("camera.png", optimize=True)
END
