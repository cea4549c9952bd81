// Upload: a form with a recording, on its way from the client to a file.
//
// Position    Between the request's body and whoever works with the file; made by the routes on the loop.
// Guarantee   The recording goes to the disk as it comes, with its SHA-256; when `done` is told of it, it is whole and synced. A form that
//             is refused, broken or left leaves no file behind, and is refused as soon as that shows: the rest is not waited for.
// Back-pressure  One block of kBlockBytes is being written; the client is read no further while another waits.
// Memory      Two blocks, and fields of kFieldBytesMax.
// Threads     The loop of the exchange; blocks are written, and `done` is called, on the pool for waiting.
// When it fails  `done` has the error: kInvalidArgument (no form, broken), kFailedValidation (fields), kTooLarge, kUnavailable (disk), kResourceExhausted (the tenant's share);
//             what shows before the form's end, and a pool that takes no block, is answered here.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/hash.h"
#include "http/multipart.h"
#include "pipeline/context.h"
#include "runtime/event_loop.h"
#include "runtime/worker_pool.h"
#include "services/speech/disk_shares.h"

namespace tidegate::speech {

/// A file that goes with whoever holds it, until it is given away.
class HeldFile {
  public:
    HeldFile() = default;
    explicit HeldFile(std::string path) : path_(std::move(path)) {}
    ~HeldFile();
    HeldFile(HeldFile&& other) noexcept : path_(std::exchange(other.path_, {})) {}
    HeldFile& operator=(HeldFile&& other) noexcept {
        std::swap(path_, other.path_);
        return *this;
    }
    const std::string& path() const noexcept { return path_; }
    /// It is somebody else's from now on.
    std::string give_away() noexcept { return std::exchange(path_, {}); }

  private:
    std::string path_;
};

struct Uploaded {
    HeldFile file;
    std::string file_name;  // As the client says, without folders.
    std::uint64_t bytes = 0;
    Sha256 hash{};
    std::map<std::string, std::vector<std::string>> fields;  // The others, in order.
    DiskShares::Place place;                                 // What it takes of its tenant's share.
    /// The last of that name; nothing when there is none or it is empty.
    std::optional<std::string> field(const std::string& name) const;
};

struct UploadRules {
    std::vector<std::string> file_fields;  // Any of these names holds the recording.
    std::string folder;                    // Where the file is made.
    std::uint64_t disk_free_min = 0;       // With less free there an upload is refused.
    DiskShares* shares = nullptr;          // Null: nobody counts.
    std::string tenant;
};

/// Answers it; what is wrong with a form is 400 with OpenAI's clients, and 422 with ours.
void refuse_form(const pipeline::ContextPtr& context, Error error);

class Upload final : public http::BodyReceiver, public http::PartHandler, public std::enable_shared_from_this<Upload> {
  public:
    static constexpr std::size_t kBlockBytes = 256 * 1024;
    static constexpr std::size_t kFieldBytesMax = 64 * 1024;
    using Done = std::function<void(const pipeline::ContextPtr&, Result<Uploaded>)>;

    Upload(runtime::WorkerPool& pool, UploadRules rules, pipeline::ContextPtr context, Done done);
    ~Upload() override;
    /// On the loop; once.
    void start();

    bool on_body(std::string_view bytes) override;
    void on_body_end() override;
    void on_body_failed(int status, std::string_view detail) override;

    Result<void> on_part(const http::PartHead& head) override;
    Result<void> on_data(std::string_view bytes) override;
    Result<void> on_part_end() override;

  private:
    struct Hash;
    void go_on();
    void write_block(std::string block, bool last);
    void refuse(const Error& error);
    void fail_now(const Error& error, bool last);
    Result<void> look_for_room(std::size_t more);
    Result<void> open_file();
    Result<Uploaded> finish();
    void tell(Result<Uploaded> result);

    runtime::WorkerPool& pool_;
    const UploadRules rules_;
    pipeline::ContextPtr context_;
    const Done done_;
    const std::shared_ptr<runtime::Mailbox> mailbox_;
    const std::string path_;
    std::shared_ptr<Upload> self_;  // While the body comes.

    // The loop's.
    std::string gathered_;
    bool writing_ = false;
    bool paused_ = false;
    bool ended_ = false;
    bool gone_ = false;

    // Of whoever writes: one block at a time, handed over by the pool's and the mailbox's locks.
    std::unique_ptr<http::MultipartReader> reader_;
    std::optional<Error> failure_;
    Uploaded uploaded_;
    std::string part_;  // The name of the field that comes.
    bool in_file_ = false;
    bool has_file_ = false;
    int fd_ = -1;
    std::unique_ptr<Hash> hash_;
};

}  // namespace tidegate::speech
