/* launch_agent.h - what stands between mpirun and ssh where `mapfleet launch` names hosts.
 *
 * mpirun ends the whole job when the ssh that brought up a daemon fails, also long after, because
 * its host is gone. So mpirun gets this program as its agent: it runs ssh with the words that it
 * is given, and once the ranks were all there it says that all went well whatever becomes of ssh.
 *
 * The verb is mpirun's: it stands in no help.
 */
#ifndef CLI_LAUNCH_AGENT_H
#define CLI_LAUNCH_AGENT_H

#define LAUNCH_AGENT_VERB "launch-agent"
/* Path of a file that the launch makes when the ranks are there. */
#define LAUNCH_AGENT_VARIABLE "MAPFLEET_LAUNCH_UP"

/* argv[0] is the verb, argv[argc] NULL. Gives the exit status. */
int launch_agent_main(int argc, char **argv);

#endif
