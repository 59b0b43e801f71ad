/* Description: when every copy of one end of a channel is closed or killed, the other end gets
 * what is left and then the end of file, and sending says that nobody receives; weak copies do
 * not count and become strong again on use; a sender that waits for room is woken. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>

#include "harness.h"

static psn_status send_text(psn_channel *channel, const char *text) {
    psn_message message = {.size = (uint32_t)strlen(text), .data = text};
    return psn_channel_send(channel, &message, 0);
}

static psn_status receive(psn_channel *channel, char *text, uint64_t deadline) {
    psn_inbox inbox;
    psn_message message;
    size_t cursor = 0;
    psn_inbox_init(&inbox);
    psn_status status;
    while ((status = psn_channel_take(channel, 0, &inbox)) == PSN_EMPTY) {
        status = psn_channel_wait_message(channel, deadline);
        if (status != PSN_OK) {
            return status;
        }
    }
    if (status == PSN_OK && psn_inbox_next(&inbox, &cursor, &message)) {
        memcpy(text, message.data, message.size);
        text[message.size] = '\0';
    }
    psn_inbox_clear(&inbox);
    return status;
}

static void expect(psn_channel *channel, const char *expected) {
    char text[64];
    CHECK_STATUS(PSN_OK, receive(channel, text, in_future(20 * SECOND)));
    CHECK(strcmp(expected, text) == 0);
}

static void expect_end(psn_channel *channel) {
    char text[64];
    CHECK_STATUS(PSN_EOF, receive(channel, text, in_future(20 * SECOND)));
    CHECK_STATUS(PSN_EOF, receive(channel, text, in_future(20 * SECOND)));
    EVENTUALLY(send_text(channel, "?") == PSN_BROKEN);
}

static void closed_end_is_told_after_what_is_left(void) {
    psn_channel *first, *second;
    CHECK_STATUS(PSN_OK, psn_channel_create(true, &first, &second));
    CHECK_STATUS(PSN_OK, send_text(second, "one"));
    CHECK_STATUS(PSN_OK, send_text(second, "two"));
    psn_channel_close(second);
    CHECK_STATUS(PSN_BROKEN, send_text(first, "?"));
    expect(first, "one");
    expect(first, "two");
    expect_end(first);
    psn_channel_close(first);
}

static void be_killed(void *context) {
    psn_channel **ends = context;
    psn_channel_close(ends[0]);
    CHECK_STATUS(PSN_OK, send_text(ends[1], "last words"));
    kill(getpid(), SIGKILL);
}

static void killed_end_is_told_after_what_is_left(void) {
    psn_channel *ends[2];
    CHECK_STATUS(PSN_OK, psn_channel_create(true, &ends[0], &ends[1]));
    pid_t pid = child(be_killed, ends);
    psn_channel_close(ends[1]);
    expect(ends[0], "last words");
    expect_end(ends[0]);
    ends_killed(pid);
    psn_channel_close(ends[0]);
}

static void sit(void *context) {
    psn_channel **ends = context;
    psn_channel_close(ends[1]); /* a sibling that inherited both, and keeps its own end only */
    char text[64];
    CHECK_STATUS(PSN_OK, receive(ends[0], text, in_future(20 * SECOND)));
}

static void one_copy_of_many_keeps_the_end_alive(void) {
    psn_channel *ends[2];
    char text[64];
    CHECK_STATUS(PSN_OK, psn_channel_create(true, &ends[0], &ends[1]));
    pid_t pid = child(sit, ends);
    psn_channel_close(ends[0]);
    CHECK_STATUS(PSN_TIMEOUT, receive(ends[1], text, in_future(50 * MILLISECOND)));
    CHECK_STATUS(PSN_OK, send_text(ends[1], "go"));
    ends_well(pid);
    expect_end(ends[1]);
    psn_channel_close(ends[1]);
}

static void weak_copies_do_not_count(void) {
    psn_channel *first, *second;
    CHECK_STATUS(PSN_OK, psn_channel_create(true, &first, &second));
    psn_channel_weaken(second);
    char text[64];
    CHECK_STATUS(PSN_EOF, receive(first, text, in_future(20 * SECOND)));
    /* used again: it counts again */
    CHECK_STATUS(PSN_OK, send_text(second, "again"));
    expect(first, "again");
    CHECK_STATUS(PSN_TIMEOUT, receive(first, text, in_future(50 * MILLISECOND)));
    CHECK_STATUS(PSN_OK, send_text(first, "back"));
    expect(second, "back");
    psn_channel_weaken(second);
    psn_channel_close(second);
    expect_end(first);
    psn_channel_close(first);
}

static void speak_once(void *context) {
    psn_channel **ends = context;
    psn_channel_close(ends[0]);
    CHECK_STATUS(PSN_OK, send_text(ends[1], "hello"));
}

/* The copy in the parent of an end that was handed to a child. */
static void weak_copy_in_the_parent_lets_the_childs_end_show(void) {
    psn_channel *ends[2];
    CHECK_STATUS(PSN_OK, psn_channel_create(true, &ends[0], &ends[1]));
    pid_t pid = child(speak_once, ends);
    psn_channel_weaken(ends[1]);
    expect(ends[0], "hello");
    expect_end(ends[0]);
    ends_well(pid);
    psn_channel_close(ends[1]);
    psn_channel_close(ends[0]);
}

/* Nobody held the writing end, nobody the reading end: the kernel's pipe was gone altogether. */
static void weak_reader_sees_the_end_that_came_while_it_was_weak(void) {
    psn_channel *first, *second;
    CHECK_STATUS(PSN_OK, psn_channel_create(false, &first, &second));
    CHECK_STATUS(PSN_OK, send_text(second, "late"));
    psn_channel_weaken(first);
    psn_channel_close(second);
    expect(first, "late");
    char text[64];
    CHECK_STATUS(PSN_EOF, receive(first, text, in_future(5 * SECOND)));
    psn_channel_close(first);
}

static void *wait_for_the_end(void *context) {
    char text[64];
    CHECK_STATUS(PSN_EOF, receive(context, text, in_future(20 * SECOND)));
    return NULL;
}

/* A thread that sleeps at an end is using it: its descriptor must not be closed under it. */
static void waiting_thread_keeps_the_end_strong(void) {
    psn_channel *first, *second;
    int memory_fd, in_fd, out_fd;
    pthread_t thread;
    CHECK_STATUS(PSN_OK, psn_channel_create(true, &first, &second));
    CHECK_STATUS(PSN_OK, psn_channel_descriptors(first, &memory_fd, &in_fd, &out_fd));
    CHECK_EQUAL(0, pthread_create(&thread, NULL, wait_for_the_end, first));
    usleep(20000);
    psn_channel_weaken(first);
    CHECK(fcntl(in_fd, F_GETFD) >= 0);
    psn_channel_close(second);
    CHECK_EQUAL(0, pthread_join(thread, NULL));
    psn_channel_weaken(first); /* nobody waits any more */
    CHECK(fcntl(in_fd, F_GETFD) < 0);
    psn_channel_close(first);
}

static void weak_sender_can_wait_for_room(void) {
    psn_channel *first, *second;
    CHECK_STATUS(PSN_OK, psn_channel_create(true, &first, &second));
    psn_channel_weaken(first);
    CHECK_STATUS(PSN_OK, psn_channel_wait_room(first, in_future(SECOND)));
    psn_channel_close(first);
    psn_channel_close(second);
}

static void fill_until_broken(void *context) {
    psn_channel **ends = context;
    char *big = calloc(1, 1 << 20);
    psn_message message = {.size = 1 << 20, .data = big};
    psn_status status;
    psn_channel_close(ends[0]);
    for (;;) {
        status = psn_channel_send(ends[1], &message, 0);
        if (status == PSN_FULL) {
            CHECK_STATUS(PSN_OK, send_text(ends[1], "") == PSN_FULL ? PSN_OK : PSN_SYSTEM);
            status = psn_channel_wait_room(ends[1], in_future(20 * SECOND));
        }
        if (status != PSN_OK) {
            break;
        }
    }
    CHECK_STATUS(PSN_BROKEN, status);
    free(big);
}

static void hold_reader(void *context) {
    (void)context;
    pause();
}

static void waiting_sender_is_told(bool by_kill) {
    psn_channel *ends[2];
    CHECK_STATUS(PSN_OK, psn_channel_create(true, &ends[0], &ends[1]));
    pid_t writer = child(fill_until_broken, ends);
    psn_channel_close(ends[1]);
    if (by_kill) {
        pid_t reader = child(hold_reader, NULL);
        psn_channel_close(ends[0]);
        usleep(50000);
        kill(reader, SIGKILL);
        ends_killed(reader);
    } else {
        usleep(50000);
        psn_channel_close(ends[0]);
    }
    ends_well(writer);
}

static void simplex_has_one_direction(void) {
    psn_channel *reader, *writer;
    CHECK_STATUS(PSN_OK, psn_channel_create(false, &reader, &writer));
    CHECK(psn_channel_readable(reader) && !psn_channel_writable(reader));
    CHECK(!psn_channel_readable(writer) && psn_channel_writable(writer));
    CHECK_STATUS(PSN_OK, send_text(writer, "one way"));
    expect(reader, "one way");
    psn_channel_close(reader);
    CHECK_STATUS(PSN_BROKEN, send_text(writer, "?"));
    psn_channel_close(writer);
}

static void watched_descriptor_shows_message_and_end(void) {
    psn_channel *first, *second;
    int memory_fd, in_fd, out_fd;
    CHECK_STATUS(PSN_OK, psn_channel_create(true, &first, &second));
    CHECK_STATUS(PSN_OK, send_text(second, "before"));
    CHECK_STATUS(PSN_OK, psn_channel_watch(first));
    CHECK_STATUS(PSN_OK, psn_channel_descriptors(first, &memory_fd, &in_fd, &out_fd));
    CHECK(is_readable(in_fd));
    expect(first, "before");
    CHECK(!is_readable(in_fd));
    CHECK_STATUS(PSN_OK, send_text(second, "after"));
    CHECK(is_readable(in_fd));
    expect(first, "after");
    CHECK(!is_readable(in_fd));
    psn_channel_close(second);
    CHECK(is_readable(in_fd));
    expect_end(first);
    psn_channel_close(first);
}

int main(void) {
    begin(60);
    unsigned descriptors = count_descriptors();
    closed_end_is_told_after_what_is_left();
    killed_end_is_told_after_what_is_left();
    one_copy_of_many_keeps_the_end_alive();
    weak_copies_do_not_count();
    weak_copy_in_the_parent_lets_the_childs_end_show();
    weak_reader_sees_the_end_that_came_while_it_was_weak();
    waiting_thread_keeps_the_end_strong();
    weak_sender_can_wait_for_room();
    waiting_sender_is_told(false);
    waiting_sender_is_told(true);
    simplex_has_one_direction();
    watched_descriptor_shows_message_and_end();
    CHECK_EQUAL(descriptors, count_descriptors());
    CHECK_EQUAL(0, count_maps());
    return 0;
}
