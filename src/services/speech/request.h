// Requests: what the routes for recordings have in common: the way of an upload, the fields of its form, who waits.
//
// Threads     begin_upload() on the loop; what it calls on the pool for waiting.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "services/speech/speech.h"

namespace tidegate::speech {

/// Cancels the job of a client that leaves before its answer.
class Ticket : public std::enable_shared_from_this<Ticket> {
  public:
    Ticket(Speech& speech, const pipeline::ContextPtr& context);
    /// On the loop, once.
    void watch(const pipeline::ContextPtr& context);
    /// The job that works for this client.
    void hold(const Accepted& accepted);
    /// Any thread.
    bool is_gone();

  private:
    void cancel(const Accepted& accepted);
    Speech& speech_;
    Mutex mutex_;
    std::optional<Accepted> accepted_ TG_GUARDED_BY(mutex_);
    bool gone_ TG_GUARDED_BY(mutex_) = false;
};
using TicketPtr = std::shared_ptr<Ticket>;

using TakeUpload = std::function<void(const pipeline::ContextPtr&, const TicketPtr&, Uploaded)>;
/// Answers by itself what never becomes an upload.
void begin_upload(const pipeline::ContextPtr& context, Speech& speech, std::vector<std::string> file_fields,
                  TakeUpload take);

/// Accepts it, and calls `answer` with the session when that is over; it has answered when it refuses.
void accept_and_wait(const pipeline::ContextPtr& context, Speech& speech, const TicketPtr& ticket, Uploaded uploaded,
                     const Wish& wish, std::function<void(const pipeline::ContextPtr&, const Session&)> answer);

/// What a form says of the language, as Wish::language has it: `en`, empty for `auto` and for nothing. kFailedValidation: the engine that is asked knows no such one.
Result<std::string> read_language(const Uploaded& uploaded, const Speech& speech);
/// A route that takes a form with a recording; `file_field` names it in the example.
pipeline::Route upload_route(std::string path, std::string operation, const Speech& speech, std::string_view file_field,
                             std::string_view more_fields);

}  // namespace tidegate::speech
