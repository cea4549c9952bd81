// FaultVfs: SQLite's view of the disk with a fault that a test can place at the n-th write, sync or truncate.
//
// Use         For n = 1, 2, 3 ...: arm(n), run the operation; when fired() is false the operation had no n-th
// disk call left
//             and must have succeeded.
// Threads     arm() while no operation runs; the calls themselves may come from any thread.
#pragma once

#include <cstdint>
#include <string>

namespace tidegate::store {

enum class Fault : std::uint8_t { kDiskFull, kIoError };

/// Registers the VFS once for the process and gives its name, for OpenOptions::vfs.
const std::string& fault_vfs_name();
/// The n-th (from 1) write, sync or truncate from now on fails, and with `lasting` all after it too.
void arm_fault(std::int64_t n, Fault fault, bool lasting = false);
void disarm_fault();
bool fault_fired();

}  // namespace tidegate::store
