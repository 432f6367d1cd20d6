import { emulatorBackend } from './emulator.ts';
import { contract } from './suite.ts';

contract('emulator', emulatorBackend);
