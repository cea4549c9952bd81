// LogFolder and LogFile: the seam through which the log touches the disk, so that a test can make any step fail or lose power.
//
// Guarantee   What write() took is durable after the next sync() that succeeded, and not before. Names are durable
//             when the call that made them returns. After a failed write() or sync() of a file nothing is known of what it
//             wrote since the last sync(): the kernel may have dropped the pages, and a second sync() that succeeds proves nothing.
// Algorithm   SystemLogFolder writes with O_DIRECT | O_DSYNC (7 % CPU at 445 MB/s against 57 to 69 % buffered, measured), and
//             with plain writes and fdatasync where the file system refuses that.
// Threads     A LogFile is written by one thread at a time and read by any number beside it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "audit/segments/bytes.h"
#include "base/result.h"

namespace tidegate::audit::segments {

class LogFile {
  public:
    virtual ~LogFile() = default;
    /// All of it or an error. Offset, size and address are multiples of kBlockBytes.
    virtual Result<void> write(std::uint64_t offset, Bytes bytes) = 0;
    virtual Result<void> sync() = 0;
    /// How many there were: fewer than asked for only at the end of the file.
    virtual Result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> out) const = 0;
    virtual Result<std::uint64_t> size() const = 0;
};

enum class Preparation : std::uint8_t {
    kZeroes,   // Written through: the log's own writes then change no metadata (3 x less CPU for the writer, measured).
    kReserve,  // Space only: quick, for when the log waits.
};

class LogFolder {
  public:
    virtual ~LogFolder() = default;
    /// Makes the folder where it is missing and takes its lock. kConflict: another writer has it.
    virtual Result<void> take() = 0;
    virtual Result<std::vector<std::string>> list() const = 0;
    virtual Result<std::unique_ptr<LogFile>> open_write(const std::string& name) = 0;
    virtual Result<std::unique_ptr<LogFile>> open_read(const std::string& name) const = 0;
    /// A new file of that size, durable; one of that name is replaced.
    virtual Result<void> prepare(const std::string& name, std::uint64_t bytes, Preparation preparation) = 0;
    virtual Result<void> rename(const std::string& from, const std::string& to) = 0;
    virtual Result<void> remove(const std::string& name) = 0;
    /// Replaces a small file as a whole: a reader, or a crash, finds the old one or the new one.
    virtual Result<void> write_whole(const std::string& name, std::string_view bytes) = 0;
};

/// What a synced write survives.
enum class Survives : std::uint8_t {
    kPowerLoss,
    kProcess,  // The death of the process: sync() of a LogFile does nothing, the kernel has the bytes.
};

class SystemLogFolder final : public LogFolder {
  public:
    /// With `direct` false the way without O_DIRECT is taken from the start (tests).
    explicit SystemLogFolder(std::string path, bool direct = true, Survives survives = Survives::kPowerLoss);
    ~SystemLogFolder() override;
    Result<void> take() override;
    Result<std::vector<std::string>> list() const override;
    Result<std::unique_ptr<LogFile>> open_write(const std::string& name) override;
    Result<std::unique_ptr<LogFile>> open_read(const std::string& name) const override;
    Result<void> prepare(const std::string& name, std::uint64_t bytes, Preparation preparation) override;
    Result<void> rename(const std::string& from, const std::string& to) override;
    Result<void> remove(const std::string& name) override;
    Result<void> write_whole(const std::string& name, std::string_view bytes) override;

  private:
    struct Lock;
    std::string at(const std::string& name) const { return path_ + "/" + name; }
    Result<void> sync_folder() const;

    const std::string path_;
    const bool direct_;
    const Survives survives_;
    std::unique_ptr<Lock> lock_;
};

/// The whole file, up to `bytes_max` (kTooLarge). kNotFound: there is none.
Result<std::string> read_whole(const LogFolder& folder, const std::string& name, std::uint64_t bytes_max);

}  // namespace tidegate::audit::segments
