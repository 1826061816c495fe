// SPDX-License-Identifier: MIT
// A C++ program: objects with static storage are made and unmade in each
// process, and main runs in the first one only.
#include <mproc.h>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

static std::vector<std::string> words = {"made", "before", "main"};

struct witness {
    ~witness()
    {
        std::printf("unmade\n");
        std::fflush(stdout);
    }
};
static witness last_words;

static int
count_words(void *)
{
    std::string text;

    for (const std::string &word : words)
        text += word + " ";
    std::printf("target: %s\n", text.c_str());
    return static_cast<int>(words.size());
}

static int
throw_something(void *)
{
    throw std::runtime_error("nobody catches this");
}

static int
run(mp_target target)
{
    mp_process *p;
    int code = 99;

    try {
        if (mp_process_start(&p, target, nullptr, 0, nullptr) < 0)
            return 98;
    } catch (...) {
        std::printf("the child goes on in its parent's code\n");
        std::exit(97);
    }
    mp_process_join(p, MP_FOREVER);
    mp_process_exitcode(p, &code);
    mp_process_close(p);
    return code;
}

int
main(int argc, char **argv)
{
    if (argc < 2 || mp_set_start_method(std::atoi(argv[1])) < 0)
        return 96;
    std::printf("main\n");
    std::fflush(stdout);
    if (run(count_words) != 3)
        return 1;
    return run(throw_something) == -6 ? 0 : 2;
}
