// CpuSampler: where the process spends CPU time, by interrupting each of its threads after every so many milliseconds of it.
//
// Algorithm   A timer a thread on that thread's own CPU clock (timer_create, SIGEV_THREAD_ID), so that each is sampled by what it
//             burns and a waiting one costs nothing. The handler reads the chain of frame pointers (frames.h) into a buffer
//             whose places are handed out by one atomic addition. Threads that begin later are found by rescan().
// Guarantee   The handler is async-signal-safe. One sampler at a time in a process. What finds no room is counted, never waited
//             for. Ticks that the kernel could not deliver one by one are counted as many.
// Memory      The buffer, mapped while a sampler runs and touched as it fills: kBufferBytes at most.
// Threads     start(), rescan() and stop() one at a time.
// When it fails  kUnavailable: one runs already, or the system gives no timer. Where it is not supported: kSupported of frames.h.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <ctime>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "observe/profile/profile.h"

namespace tidegate::profile {

class CpuSampler {
  public:
    /// 60 s of 10 busy cores at 100 Hz with 30 frames each: 60,000 samples of 256 bytes.
    static constexpr std::size_t kBufferBytes = 16 * 1024 * 1024;
    static constexpr unsigned kHzMax = 1000;

    /// `hz` samples a second of CPU time, 1 to kHzMax.
    static Result<std::unique_ptr<CpuSampler>> start(const Clock& clock, unsigned hz, std::size_t bytes = kBufferBytes);
    ~CpuSampler();
    CpuSampler(const CpuSampler&) = delete;
    CpuSampler& operator=(const CpuSampler&) = delete;

    /// Timers for threads that have begun since. Call it every second or so.
    void rescan();
    /// Ends the sampling; types `samples` and `cpu`.
    Profile stop();

  private:
    struct Buffer;
    friend struct Handler;
    CpuSampler(const Clock& clock, unsigned hz, std::unique_ptr<Buffer> buffer);
    void end() noexcept;
    Profile gather() const;

    const Clock& clock_;
    const unsigned hz_;
    const SteadyTime began_;
    std::unique_ptr<Buffer> buffer_;
    std::map<pid_t, timer_t> timers_;
    std::map<pid_t, std::string> names_;
    std::set<pid_t> untimed_;  // Threads that got no timer.
    bool ended_ = false;
};

}  // namespace tidegate::profile
