import { contract } from '../contract/openstack/suite.ts';
import { realBackend } from './real.ts';

// cp2: the four nodes that the job moves live in cp1.
contract('real', () => realBackend('cp2'));
