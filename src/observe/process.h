// What the kernel says of this process now.
//
// Threads     Any.
#pragma once

namespace tidegate::observe {

/// NaN stands where the kernel did not say: better no number than a wrong one.
struct ProcessSample {
    double cpu_seconds = 0;  // User and system, since the start.
    double resident_bytes = 0;
    double open_descriptors = 0;
    double threads = 0;
};

/// Reads /proc/self: some 50 microseconds.
ProcessSample read_process();

}  // namespace tidegate::observe
