// DriftStore: the monitor's state, its alerts and the posts that wait, in a SQLite file of their own.
//
// Guarantee   save() is one transaction, on the disk when it returns: what a restart finds is the state right after the leaf before
//             position(), and no other.
// Threads     One at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "drift/alerts.h"
#include "drift/observation.h"
#include "store/sqlite.h"

namespace tidegate::compliance {

/// What is told of an alert: to listeners at once, to the webhook as a post.
struct Notice {
    std::uint64_t id = 0;  // Of the post; given by save().
    std::string event;     // `opened`, `acknowledged`, `resolved`, `suppressed`, `reopened`.
    std::string tenant;
    std::string body;  // JSON.
};

struct SavedStream {
    drift::StreamKey key;
    std::string reference;  // Empty: as it was saved before.
    std::string state;
};

struct SaveBatch {
    std::uint64_t position = 0;
    std::vector<SavedStream> streams;
    std::vector<drift::StreamKey> gone;
    std::vector<drift::Alert> alerts;
    std::vector<Notice> posts;               // To be kept until they are sent; their ids are set.
    std::vector<std::uint64_t> posts_ended;  // Sent, or given up.
};

class DriftStore {
  public:
    /// kDataLoss: the file is damaged; kUnavailable.
    static Result<DriftStore> open(const std::string& path, const Clock& clock);

    /// 0 in a new file.
    Result<std::uint64_t> position();
    Result<void> each_stream(const std::function<Result<void>(SavedStream)>& visit);
    /// The newest `limit`, oldest first.
    Result<void> each_alert(std::size_t limit, const std::function<Result<void>(drift::Alert)>& visit);
    /// Oldest first.
    Result<std::vector<Notice>> waiting_posts();
    Result<void> save(SaveBatch& batch);

  private:
    explicit DriftStore(store::Database database) : database_(std::move(database)) {}
    Result<void> save_streams(const SaveBatch& batch);
    Result<void> save_alerts(const SaveBatch& batch);
    Result<void> save_posts(SaveBatch& batch);

    store::Database database_;
};

}  // namespace tidegate::compliance
