/* SPDX-License-Identifier: MIT */
/*
 * The agent's code as the owner sees it: bytes to be copied into a program. It
 * runs at any address and refers to nothing outside itself.
 */
#ifndef ATTACH_AGENT_H
#define ATTACH_AGENT_H

/* The linker's names for the ends of the section `agent_text`. */
extern const char __start_agent_text[], __stop_agent_text[];

/* A syscall instruction where the owner makes a thread call clone: the new thread goes on behind
 * it as the agent. It finds the channel's address on top of its stack. */
extern const char agent_entry[];

#define AGENT_NAME "vswap-agent"

#endif
