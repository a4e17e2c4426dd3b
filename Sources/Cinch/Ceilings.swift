import CPUBackend
import CinchBackend
import OpenCLBackend

extension CPUBackend: MeasuresCeilings {}
extension OpenCLBackend: MeasuresCeilings {}
