// Machine: where a run was made: processor, cores, kernel, load, and the commit of the working folder.
#pragma once

#include <string>

namespace tidegate::load {

struct Machine {
    std::string cpu;
    unsigned cores = 0;  // That this process may use.
    std::string kernel;
    double memory_gib = 0;
    double load_before = 0;  // One-minute load average before the run.
    std::string commit;      // Of the git checkout around the working folder; empty: there is none.
};

Machine look_at_machine();

}  // namespace tidegate::load
