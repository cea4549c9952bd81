// Affinity: which processors the threads that compute run on.
//
// Use         `models.cpu_affinity: 0-3,8` or `numa:1`, read once by cpus_of(); each instance's thread calls pin_thread() as it
//             begins. Memory that such a thread touches first lies on its node.
// Threads     pin_thread() is about the thread that calls it.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace tidegate::model {

/// `0-3,8` in ascending order, each once; `numa:N`: the processors of that node, as the kernel lists them below `nodes`; empty
/// text: none, which means any. kInvalidArgument: not such a list, or a node that is not there.
Result<std::vector<unsigned>> cpus_of(std::string_view text, const Disk& disk = SystemDisk(),
                                      const std::string& nodes = "/sys/devices/system/node");

/// Only the form, for the settings table.
Result<void> check_cpus(std::string_view text);

/// From now on the calling thread runs on `cpus` only; nothing happens when there are none. kInvalidArgument: this process may
/// not run on any of them.
Result<void> pin_thread(std::span<const unsigned> cpus);

}  // namespace tidegate::model
