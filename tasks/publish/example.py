"""The example that is published: python example.py <image> …"""

TEXT = '''"""Prints what the network in this folder finds: python example.py <image> …"""

import sys
from pathlib import Path

from tasks import load

model = load(Path(__file__).parent)
for image in sys.argv[1:]:
    for task, found in model.predict(image).items():
        print(f"{image}: {task}")
        names = found["names"]
        if "boxes" in found:
            for box, score, name in list(zip(found["boxes"], found["scores"], names))[:10]:
                left, top, right, bottom = (round(float(side)) for side in box)
                print(f"  {name} {score:.2f} at {left}, {top}, {right}, {bottom}")
        elif task == "multilabel":  # names are of what was found, probabilities of every class
            for name, number in zip(names, found["labels"]):
                print(f"  {name} {found['probabilities'][number]:.3f}")
        elif "probabilities" in found:
            for name, probability in list(zip(names, found["probabilities"]))[:5]:
                print(f"  {name} {probability:.3f}")
        else:
            labels = found["labels"]
            for number, name in enumerate(names):
                if (share := float((labels == number).mean())) > 0:
                    print(f"  {name} {share:.1%}")
'''
