#include "model/batcher_sink.h"

#include <iterator>
#include <utility>
#include <vector>

namespace tidegate::model {

void LoopSink::deliver(std::span<Answered> answers) {
    if (mailbox_->on_loop_thread()) {
        for (Answered& one : answers) one.done(std::move(one.answer));
        return;
    }
    std::vector<Answered> all(std::make_move_iterator(answers.begin()), std::make_move_iterator(answers.end()));
    (void)mailbox_->post([all = std::move(all)]() mutable {
        for (Answered& one : all) one.done(std::move(one.answer));
    });
}

}  // namespace tidegate::model
