#include "model/batcher_sink.h"

#include <gtest/gtest.h>

#include "model/fake_session.h"
#include "runtime/event_loop.h"

namespace tidegate::model {
namespace {

using testing::eventually;
using testing::FakeSession;
using testing::floats;

TEST(LoopSink, AnswersRunOnTheLoopsThread) {
    const SystemClock clock;
    auto loop = *runtime::EventLoop::create(clock);
    const auto session = std::make_shared<FakeSession>();
    auto batcher = *Batcher::create("m", {.rows_max = 8}, {session}, clock);
    const auto sink = std::make_shared<LoopSink>(loop->mailbox());
    int answered = 0;  // Touched on this thread alone, which is the loop's.
    int elsewhere = 0;
    const auto me = std::this_thread::get_id();
    const auto submit = [&] {
        BatchRequest request = floats({1}, 1);
        request.sink = sink;
        request.done = [&](Answer answer) {
            ++answered;
            if (!answer || std::this_thread::get_id() != me) ++elsewhere;
        };
        batcher->submit(std::move(request));
    };
    loop->mailbox()->adopt();  // As run() does.
    session->hold();
    for (int i = 0; i < 20; ++i) submit();
    EXPECT_EQ(answered, 0);
    session->let_all();
    EXPECT_TRUE(eventually([&] {
        loop->turn(std::chrono::milliseconds(1));
        return answered == 20;
    }));
    EXPECT_EQ(elsewhere, 0);
    batcher->close(Batcher::Close::kDrain);
    int refused = 0;
    BatchRequest late = floats({1}, 1);
    late.sink = sink;
    late.done = [&](Answer answer) { refused += answer ? 0 : 1; };
    batcher->submit(std::move(late));
    EXPECT_EQ(refused, 1) << "on its own thread it hears at once";
}

}  // namespace
}  // namespace tidegate::model
