"""Users' modules as they come: wrappers taken off, inputs and outputs of any form, state put back.

wrapping    DataParallel and the like taken off; any network as one of images and logits
state       evaluation mode and back; attributes, buffers and modes as they were
"""
